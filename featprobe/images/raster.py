"""PNG, JPEG, BMP, GIF, WebP, JPEG 2000 and PNM files through Pillow and kornia_rs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from featprobe.core.errors import UnreadableItem
from featprobe.images import device_jpeg, png, tiff
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, ImageHeader, finite
from featprobe.images.limits import Clamped, check_pixels, check_stored, max_pixels

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2",
    ".j2k", ".jpf", ".jpx", ".pgm", ".ppm", ".pnm", ".pbm",
)  # fmt: skip


def extent(path: Path, recipe: FrameRecipe) -> ImageHeader:
    """Size and number of frames (pages of a TIFF, 1 otherwise), from the header only.

    Told by the content: a JPEG named ``.tif`` is a JPEG.
    """
    if tiff.is_tiff(path):
        return tiff.extent(path)
    with opened(path) as image:
        width, height = image.size
        if _turn(image) >= 5:  # by a quarter
            width, height = height, width
        return ImageHeader((width, height, 1))


def orientation(path: Path) -> int:
    """EXIF's orientation of a picture, 1 where it has none."""
    if tiff.is_tiff(path):
        return 1
    with opened(path) as image:
        return _turn(image)


def _turn(image: ImageFile.ImageFile) -> int:
    return int(image.getexif().get(0x0112, 1)) if _has_exif(image) else 1


def load(path: Path, recipe: FrameRecipe) -> DecodedImage:
    """Decode one raster file.

    8-bit stays uint8, 16-bit greyscale stays uint16, float stays float32. Palettes become RGB
    (grey where the palette is grey), an alpha channel is dropped, EXIF orientation is applied.
    """
    if tiff.is_tiff(path):
        return tiff.load(path, recipe)
    with opened(path) as image:
        array, several = None, int(getattr(image, "n_frames", 1))
        if image.fp is not None and image.format == "PNG":
            array = png.decode(image.fp, image.size)
        elif recipe.decode == "device" and _turn(image) == 1:
            array = device_jpeg.decode(path, image)
        if array is None:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # no copy of what lies as it should
            array = _to_array(image)
    array, notes = finite(array, path.name)
    if several > 1:
        notes += (f"an animation of {several} pictures: the first is read",)
    return DecodedImage(array[None], notes=notes)


def _has_exif(image: ImageFile.ImageFile) -> bool:
    """Whether to ask Pillow for EXIF, which of a PNG without any it seeks by decoding all of it."""
    if image.format != "PNG" or image.fp is None:
        return True
    found = png.chunks(image.fp)
    return not found or png.EXIF in found


@contextmanager
def opened(path: Path) -> Iterator[ImageFile.ImageFile]:
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
