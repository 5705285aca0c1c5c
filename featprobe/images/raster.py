"""PNG, JPEG, TIFF and BMP files through Pillow and tifffile."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from featprobe.errors import UnreadableItem
from featprobe.images.picture import Picture, finite

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
MAX_PIXELS = int(os.environ.get("FEATPROBE_MAX_PIXELS", 300_000_000))

# Pillow's own guard against decompression bombs refuses at twice its limit.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2


def count_frames(path: Path) -> int:
    """Number of frames (pages of a TIFF, 1 otherwise), from the header only."""
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        with tifffile.TiffFile(path) as tif:
            return _pages(tif.series[0].shape)
    return 1


def read(path: Path) -> Picture:
    """Decode one raster file.

    8-bit stays uint8, 16-bit greyscale stays uint16, float stays float32. Palettes become RGB
    (grey where the palette is grey), an alpha channel is dropped, EXIF orientation is applied.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        return _read_tiff(path)
    with Image.open(path) as image:
        if image.width * image.height > MAX_PIXELS:
            raise UnreadableItem(
                f"{path}: {image.width} x {image.height} pixels is over the limit of {MAX_PIXELS}; "
                "set FEATPROBE_MAX_PIXELS to allow it"
            )
        image.load()
        upright = ImageOps.exif_transpose(image)
    array = _to_array(upright)
    array, notes = finite(array, path.name)
    return Picture(array[None], notes=notes)


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


def _pages(shape: tuple[int, ...]) -> int:
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4)):
        return 1
    return shape[0]


def _read_tiff(path: Path) -> Picture:
    import tifffile

    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        if int(np.prod(series.shape)) > MAX_PIXELS * 3:
            raise UnreadableItem(
                f"{path}: {series.shape} values is over the limit of {MAX_PIXELS} pixels; "
                "set FEATPROBE_MAX_PIXELS to allow it"
            )
        page = tif.pages.first
        indexed = page.photometric == tifffile.PHOTOMETRIC.PALETTE
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        array = series.asarray()
        if indexed and page.colormap is not None:
            array = (np.moveaxis(page.colormap, 0, -1)[array] >> 8).astype(np.uint8)
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if inverted and array.dtype.kind == "u":
        array = np.iinfo(array.dtype).max - array
    if array.dtype not in (np.uint8, np.uint16, np.int16):
        array = array.astype(np.float32)
    if array.ndim >= 3 and array.shape[-1] == 4:
        array = array[..., :3]
    single = _pages(array.shape) == 1 and (array.ndim == 2 or array.shape[-1] == 3)
    array, notes = finite(array[None] if single else array, path.name)
    return Picture(array, notes=notes)
