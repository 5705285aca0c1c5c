"""TIFF files through tifffile: pages, colours, palettes, orientation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from featprobe.core.errors import MissingExtra, UnreadableItem
from featprobe.core.opening import raw
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, ImageHeader, finite
from featprobe.images.limits import Clamped, check_pixels, check_stored

_BOUNDED = {1, 6, 7, 8, 32773, 32946}  # none, JPEG, deflate, PackBits: none expands beyond deflate
_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# EXIF orientation -> (rows and columns swapped, rows reversed, columns reversed), in this order
_TURNS = {
    1: (False, False, False), 2: (False, False, True), 3: (False, True, True),
    4: (False, True, False), 5: (True, False, False), 6: (True, False, True),
    7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


def is_tiff(path: Path) -> bool:
    """By the first bytes, whatever the file is called."""
    with raw(path) as f:
        return f.read(4) in _MARKS


def extent(path: Path) -> ImageHeader:
    """Size and number of pages, from the header only."""
    import tifffile

    with Clamped(path) as f, tifffile.TiffFile(f) as tif:
        frames, height, width = _shape(path, tif)
        if _turn(tif)[0]:
            width, height = height, width
        return ImageHeader((width, height, frames))


def _shape(path: Path, tif: Any) -> tuple[int, int, int]:
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


def load(path: Path, recipe: FrameRecipe) -> DecodedImage:
    """Decode all pages of the first series, upright as the orientation tag says.

    8 and 16 bit integers keep their dtype, else float32. Of more than three values a pixel the
    first three are the colours; ``recipe.channel`` takes one as grey.
    """
    import tifffile

    with Clamped(path) as f, tifffile.TiffFile(f) as tif:
        shape = _shape(path, tif)
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
        turn = _turn(tif)
        if indexed and page.colormap is not None:
            # a palette is of 16 bits, yet many files hold bytes in it, as libtiff allows for
            shift = 8 if int(page.colormap.max()) > 255 else 0
            array = (np.moveaxis(page.colormap, 0, -1)[array] >> shift).astype(np.uint8)
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
    text: tuple[str, ...] = ()
    if recipe.channel is not None and colors > 1:
        if recipe.channel >= colors:
            raise UnreadableItem(f"{path}: no --channel {recipe.channel}: it has {colors} values")
        array = array[..., recipe.channel]
    else:
        known = 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 0
        if colors > 4 or (colors > known + 1 and known and colors != 4):
            text = (
                f"{colors} values a pixel: the first three are shown as colours; --channel 0 to "
                f"{colors - 1} shows one",
            )
        array = array[..., :3] if colors >= 3 else array[..., 0]
    array, notes = finite(_upright(array, turn), path.name)
    return DecodedImage(array, notes=notes + text)


def _turn(tif: Any) -> tuple[bool, bool, bool]:
    tag = tif.pages.first.tags.get(274)
    return _TURNS.get(int(tag.value) if tag is not None else 1, _TURNS[1])


def _upright(array: np.ndarray, turn: tuple[bool, bool, bool]) -> np.ndarray:
    """Frames (F, H, W[, 3]) as they are meant to be seen."""
    swapped, rows, columns = turn
    if swapped:
        array = array.swapaxes(1, 2)
    array = array[:, ::-1] if rows else array
    return np.ascontiguousarray(array[:, :, ::-1] if columns else array)


def _from_cmyk(inks: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))
