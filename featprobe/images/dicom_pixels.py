"""From a DICOM data set to values: decoding, modality units, colour, the display window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from featprobe.errors import UnreadableItem
from featprobe.images.dicom_file import group
from featprobe.images.limits import check_pixels, check_stored
from featprobe.images.picture import smallest

Window = tuple[float, float]


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


def values(path: Path, ds: Any) -> np.ndarray:
    """Frames of one file in modality units, (F, H, W), or colours of 8 bits, (F, H, W, 3).

    As pydicom's own pipeline gives them: YBR becomes RGB, palettes are looked up, modality LUT or
    rescale applied, frame by frame where the file says so. Colours of more bits keep their upper
    eight. Overlays and display shutters are ignored.
    """
    from pydicom.pixels import apply_color_lut, apply_rescale

    if not any(k in ds for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise UnreadableItem(f"{path}: a DICOM object without pixels")
    n = frames_of(path, ds)
    array = _decode(path, ds)
    bits = int(ds.get("BitsStored") or 8)
    palette = ds.get("PhotometricInterpretation") == "PALETTE COLOR"
    if palette:
        array = apply_color_lut(array, ds)[..., :3]
        bits = 8 * array.dtype.itemsize
    if palette or int(ds.get("SamplesPerPixel") or 1) == 3:
        array = array.reshape(n, *array.shape[-3:])
        return array if array.dtype == np.uint8 else (array >> max(0, bits - 8)).astype(np.uint8)
    array = apply_rescale(array, ds)
    array = array.reshape(n, *array.shape[-2:])
    return smallest(_rescale_by_frame(array, ds))


def _rescale_by_frame(array: np.ndarray, ds: Any) -> np.ndarray:
    """Slopes and intercepts of the Pixel Value Transformation macros (PS3.3 C.7.6.16.2.9)."""
    macros = [group(ds, i, "PixelValueTransformationSequence") for i in range(len(array))]
    lines = [
        (float(m.RescaleSlope), float(m.RescaleIntercept)) if m else (1.0, 0.0) for m in macros
    ]
    if all(line == (1.0, 0.0) for line in lines):
        return array
    slope, intercept = np.array(lines).T.reshape(2, -1, 1, 1)
    return array * slope + intercept


def _guarded(path: Path, ds: Any) -> np.ndarray:
    """``ds.pixel_array`` in RGB."""
    from pydicom.pixels import pixel_array

    try:
        return pixel_array(ds)
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


def shown(ds: Any, frame: int, pixels: np.ndarray) -> tuple[np.ndarray, Window | None]:
    """The display window of PS3.3 C.11.2, applied to the values where it is not linear."""
    if pixels.ndim == 4:
        return pixels, None
    if "VOILUTSequence" in ds or str(ds.get("VOILUTFunction") or "").upper() == "SIGMOID":
        from pydicom.pixels import apply_voi_lut

        try:
            applied = smallest(apply_voi_lut(pixels, ds))
        except Exception:  # a broken lookup table leaves the values readable
            return pixels, None
        return applied, (float(applied.min()), float(applied.max()))
    macro = group(ds, frame, "FrameVOILUTSequence") or ds
    return pixels, _linear(macro)


def _linear(ds: Any) -> Window | None:
    try:
        centre, width = (
            float(v[0] if hasattr(v, "__len__") and not isinstance(v, str) else v)
            for v in (ds.get("WindowCenter"), ds.get("WindowWidth"))
        )
    except Exception:  # absent, empty or damaged: the file has no window
        return None
    if not np.isfinite([centre, width]).all():
        return None
    if str(ds.get("VOILUTFunction") or "LINEAR").upper() == "LINEAR_EXACT" and width > 0:
        return centre - width / 2, centre + width / 2
    if width > 1:
        return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return None


def upright(ds: Any, pixels: np.ndarray, window: Window | None) -> tuple[np.ndarray, Window | None]:
    """MONOCHROME1 inverted within its own range, so that bright is bright."""
    if ds.get("PhotometricInterpretation") != "MONOCHROME1":
        return pixels, window
    whole = pixels.dtype.kind in "iu"
    total = int(pixels.max()) + int(pixels.min()) if whole else pixels.max() + pixels.min()
    pixels = (total - pixels.astype(np.int64) if whole else total - pixels).astype(pixels.dtype)
    if window is not None:
        window = (float(total) - window[1], float(total) - window[0])
    return pixels, window
