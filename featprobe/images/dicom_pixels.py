"""From a DICOM data set to values: decoding, colour, modality units, upright, padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import UnreadableItem
from featprobe.images.decoded_image import smallest
from featprobe.images.dicom_palette import colours
from featprobe.images.dicom_values import Window, modality_units, outside
from featprobe.images.display import Curve
from featprobe.images.limits import check_pixels, check_stored


def frames_of(path: Path, ds: Any) -> int:
    """Number of frames, with the sizes of the header checked against limit and file."""
    try:
        n = max(1, int(ds.get("NumberOfFrames") or 1))
        rows, columns = int(ds.Rows), int(ds.Columns)
        samples = int(ds.get("SamplesPerPixel") or 1)
        bits = int(ds.get("BitsAllocated") or 8)
    except (TypeError, ValueError, AttributeError):
        raise UnreadableItem(
            f"{path}: Rows, Columns, NumberOfFrames, SamplesPerPixel or BitsAllocated is no number"
        ) from None
    if rows < 1 or columns < 1:
        raise UnreadableItem(f"{path}: an image of {rows} rows and {columns} columns")
    check_pixels(path, n, rows, columns)
    syntax = ds.file_meta.TransferSyntaxUID
    packed = syntax.is_deflated or path.suffix.lower() == ".gz"
    if syntax.is_encapsulated:  # an item header of 8 bytes a frame at the least
        check_stored(path, 8 * n, packed)
    else:
        thirds = 2 if ds.get("PhotometricInterpretation") == "YBR_FULL_422" else 3
        check_stored(path, n * rows * columns * samples * bits // 8 * thirds // 3, packed)
    return n


def values(path: Path, ds: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Frames of one file in modality units, (F, H, W), or colours of 8 bits, (F, H, W, 3).

    The second are the pixels that are padding, of the shape of the first; None without.
    As pydicom's own pipeline gives them: YBR becomes RGB, palettes are looked up, modality LUT or
    rescale applied, frame by frame where the file says so. Colours of more bits keep the upper
    eight of those stored. Overlays and display shutters are ignored.
    """
    if not any(k in ds for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise UnreadableItem(f"{path}: a DICOM object without pixels")
    n = frames_of(path, ds)
    array = _decode(path, ds)
    bits = int(ds.get("BitsStored") or 8)
    palette = ds.get("PhotometricInterpretation") == "PALETTE COLOR"
    if palette:
        array = colours(path, ds, array)
    if palette or int(ds.get("SamplesPerPixel") or 1) == 3:
        array = array.reshape(n, *array.shape[-3:])
        if array.dtype != np.uint8:
            array = np.minimum(array >> max(0, bits - 8), 255).astype(np.uint8)
        return array, None
    array = array.reshape(n, *array.shape[-2:])
    padding = outside(array, ds) if array.dtype.kind in "iu" else None
    return smallest(modality_units(array, ds)), padding


def _guarded(path: Path, ds: Any) -> np.ndarray:
    """``ds.pixel_array`` in RGB: stored values, which :func:`values` takes to modality units.

    Raises :class:`UnreadableItem` where they are not as stored: rescaled by whatever is installed,
    they would be rescaled twice.
    """
    from pydicom.pixels import pixel_array

    try:
        array = pixel_array(ds)
        if "PixelData" in ds and array.dtype.kind not in "iub":
            raise UnreadableItem(
                f"{path}: pydicom gives {array.dtype} for whole numbers, so it rescales by itself; "
                "install the version that featprobe asks for"
            )
        return array
    except BaseException as error:  # a decoder written in Rust panics past Exception
        if isinstance(error, (Exception, KeyboardInterrupt, SystemExit)):
            raise
        raise UnreadableItem(f"{path}: its decoder gave up: {type(error).__name__}") from error


def _decode(path: Path, ds: Any) -> np.ndarray:
    """As :func:`_guarded`, with a missing decoder named."""
    from pydicom.pixels import get_decoder

    try:
        return _guarded(path, ds)
    except (RuntimeError, NotImplementedError) as error:
        syntax = ds.file_meta.TransferSyntaxUID
        try:
            missing = get_decoder(syntax).missing_dependencies
        except NotImplementedError:
            raise UnreadableItem(
                f"{path}: its transfer syntax {syntax.name} is none that can be decoded"
            ) from error
        if not missing:
            raise
        raise UnreadableItem(
            f"{path}: compressed as {syntax.name}, which no installed decoder could read; "
            f"not installed: {'; '.join(missing)}. pip install 'featprobe[dicom]' brings them"
        ) from error


def upright(
    ds: Any, pixels: np.ndarray, padding: np.ndarray | None, window: Window | None,
    curve: Curve | None,
) -> tuple[np.ndarray, Window | None, Curve | None]:  # fmt: skip
    """MONOCHROME1 inverted within the range of its anatomy, so that bright is bright.

    Values of padding are of no use after it: they may lie beyond the dtype and are taken back to
    the lowest anatomy, for :func:`featprobe.images.padding.settle` to move.
    """
    if ds.get("PhotometricInterpretation") != "MONOCHROME1" or pixels.ndim == 4:
        return pixels, window, curve
    whole = pixels.dtype.kind in "iu"
    outside = np.zeros(pixels.shape, dtype=bool) if padding is None else padding
    inside = pixels if outside.all() else pixels[~outside]
    low, high = inside.min(), inside.max()
    total = int(low) + int(high) if whole else low + high
    turned: np.ndarray = total - pixels.astype(np.int64) if whole else total - pixels
    pixels = (turned if outside.all() else np.where(outside, low, turned)).astype(pixels.dtype)
    if window is not None:
        window = (float(total) - window[1], float(total) - window[0])
    return pixels, window, None if curve is None else curve.mirrored(float(total))
