"""PNG, JPEG, TIFF and BMP files through Pillow, kornia_rs and tifffile."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from featprobe.errors import MissingExtra, UnreadableItem
from featprobe.images import png
from featprobe.images.limits import Clamped, check_pixels, check_stored, max_pixels
from featprobe.images.picture import Extent, FrameRecipe, Picture, finite

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_TIFF = (".tif", ".tiff")
_BOUNDED = {1, 6, 7, 8, 32773, 32946}  # none, JPEG, deflate, PackBits: none expands beyond deflate


def extent(path: Path, recipe: FrameRecipe) -> Extent:
    """Size and number of frames (pages of a TIFF, 1 otherwise), from the header only."""
    if path.suffix.lower() in _TIFF:
        import tifffile

        with Clamped(path) as f, tifffile.TiffFile(f) as tif:
            frames, height, width = _tiff_shape(path, tif)
            return Extent((width, height, frames))
    with _open(path) as image:
        width, height = image.size
        if _has_exif(image) and image.getexif().get(0x0112, 1) >= 5:  # turned by a quarter
            width, height = height, width
        return Extent((width, height, 1))


def load(path: Path, recipe: FrameRecipe) -> Picture:
    """Decode one raster file.

    8-bit stays uint8, 16-bit greyscale stays uint16, float stays float32. Palettes become RGB
    (grey where the palette is grey), an alpha channel is dropped, EXIF orientation is applied.
    """
    if path.suffix.lower() in _TIFF:
        return _load_tiff(path)
    with _open(path) as image:
        array = None
        if image.fp is not None and image.format == "PNG":
            array = png.decode(image.fp, image.size)
        if array is None:
            image.load()
            array = _to_array(ImageOps.exif_transpose(image))
    array, notes = finite(array, path.name)
    return Picture(array[None], notes=notes)


def _has_exif(image: ImageFile.ImageFile) -> bool:
    """Whether to ask Pillow for EXIF, which of a PNG without any it seeks by decoding all of it."""
    if image.format != "PNG" or image.fp is None:
        return True
    found = png.chunks(image.fp)
    return not found or png.EXIF in found


@contextmanager
def _open(path: Path) -> Iterator[ImageFile.ImageFile]:
    """The image with its size checked. Pillow's own guard refuses at twice its limit."""
    Image.MAX_IMAGE_PIXELS = max_pixels()
    with Clamped(path) as f, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(f)
        except UnidentifiedImageError as error:
            raise UnreadableItem(f"{path}: its bytes are those of no image format") from error
        except Image.DecompressionBombError as error:
            raise UnreadableItem(
                f"{path}: {error}; set FEATPROBE_MAX_PIXELS to allow it"
            ) from error
        check_pixels(path, image.height, image.width)
        if image.format == "PNG":
            bits = 16 if image.mode.startswith("I") else 1
            check_stored(path, image.height * image.width * bits // 8, deflated=True)
        yield image


def _to_array(image: Image.Image) -> np.ndarray:
    mode = image.mode
    if mode in ("L", "F"):
        return np.asarray(image)
    if mode in ("1", "LA", "La"):
        return np.asarray(image.convert("L"))
    if mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if mode == "I":  # 32-bit container, nearly always of a 16-bit file
        values = np.asarray(image)
        fits = values.min() >= 0 and values.max() <= 65535
        return values.astype(np.uint16 if fits else np.int32)
    rgb = np.asarray(image.convert("RGB"))
    if mode in ("P", "PA") and (rgb == rgb[..., :1]).all():
        return rgb[..., 0]
    return rgb


def _tiff_shape(path: Path, tif: Any) -> tuple[int, int, int]:
    """(frames, height, width) of the first series, its claims checked."""
    series = tif.series[0]
    shape = dict(zip(series.axes, series.shape))
    height, width = shape.get("Y", 0), shape.get("X", 0)
    frames = math.prod(n for axis, n in shape.items() if axis not in "YXS")
    if min(frames, height, width) < 1 or len(shape) != len(series.shape):
        raise UnreadableItem(f"{path}: a TIFF of shape {series.shape} ({series.axes})")
    check_pixels(path, frames, height, width)
    codec = int(tif.pages.first.compression)
    if codec in _BOUNDED:
        check_stored(path, tif.pages.first.nbytes, deflated=codec != 1)
    return frames, height, width


def _load_tiff(path: Path) -> Picture:
    import tifffile

    with Clamped(path) as f, tifffile.TiffFile(f) as tif:
        shape = _tiff_shape(path, tif)
        page, series = tif.pages.first, tif.series[0]
        indexed = page.photometric == tifffile.PHOTOMETRIC.PALETTE
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        separated = page.photometric == tifffile.PHOTOMETRIC.SEPARATED
        try:
            array = series.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            codec = tifffile.COMPRESSION(page.compression).name
            raise MissingExtra(
                f"{path}: compressed as {codec}, which needs imagecodecs: "
                "pip install 'featprobe[tiff]'"
            ) from error
        samples = series.axes.find("S")
        if samples >= 0:
            array = np.moveaxis(array, samples, -1)
        if indexed and page.colormap is not None:
            array = (np.moveaxis(page.colormap, 0, -1)[array] >> 8).astype(np.uint8)
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if inverted and array.dtype.kind == "u":
        array = np.iinfo(array.dtype).max - array
    if array.dtype not in (np.uint8, np.uint16, np.int16):
        array = array.astype(np.float32)
    colors = array.size // math.prod(shape)
    array = array.reshape(*shape, colors)
    if separated and colors == 4 and array.dtype == np.uint8:  # inks: cyan, magenta, yellow, black
        array = np.stack([_from_cmyk(a) for a in array])
    array = array[..., :3] if colors >= 3 else array[..., 0]
    array, notes = finite(array, path.name)
    return Picture(array, notes=notes)


def _from_cmyk(inks: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))
