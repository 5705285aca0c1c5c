"""DICOM files and series through pydicom.

A series is a volume when its files share one size and orientation and have positions; it is then
ordered along the slice normal, whatever the file names say. Files of a series that do not form a
volume (projections, secondary captures) are items of their own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.errors import UnreadableItem, reason
from featprobe.images.picture import Picture, finite
from featprobe.images.volume import as_frames, choose_plane, frame_count

SUFFIXES = (".dcm", ".dicom", ".ima")
_TAGS = [
    "Rows", "Columns", "NumberOfFrames", "SeriesInstanceUID", "SOPInstanceUID", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "PatientID", "Modality",
    "SpacingBetweenSlices", "SliceThickness", "SamplesPerPixel",
]  # fmt: skip
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Header:
    """What planning needs of one file. ``position`` and ``orientation`` are None where absent.

    ``patient`` and ``series`` serve grouping in memory only and are never stored.
    """

    path: Path
    rows: int
    columns: int
    frames: int
    series: str
    patient: str
    number: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None


@dataclass(frozen=True)
class Scan:
    """The images of a folder: groups of files, what was skipped, what could not be parsed."""

    series: list[list[Header]]
    skipped: list[Path]
    unreadable: list[tuple[Path, str]]


def is_dicom(path: Path) -> bool:
    """True for a DICOM suffix or the ``DICM`` mark after the preamble."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with open(path, "rb") as f:
            return f.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _dataset(path: Path, **options: Any) -> Any:
    import pydicom
    from pydicom.errors import InvalidDicomError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(path, **options)
        except InvalidDicomError:  # no preamble and meta header: accepted if an image comes out
            ds = pydicom.dcmread(path, force=True, **options)
            if "Rows" not in ds:
                raise UnreadableItem(f"{path}: not a DICOM file") from None
            return ds


def _numbers(ds: Any, name: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(v) for v in ds.get(name) or ())
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def read_header(path: Path) -> Header | None:
    """The header of an image file; None for a DICOM object without pixels (SR, RTSTRUCT, PR)."""
    ds = _dataset(path, stop_before_pixels=True, specific_tags=_TAGS)
    if "Rows" not in ds or "Columns" not in ds:
        return None
    number = str(ds.get("InstanceNumber") or "0")
    return Header(
        path=path,
        rows=int(ds.Rows),
        columns=int(ds.Columns),
        frames=max(1, int(ds.get("NumberOfFrames") or 1)),
        series=str(ds.get("SeriesInstanceUID") or path),
        patient=str(ds.get("PatientID") or ""),
        number=int(number) if number.lstrip("-").isdigit() else 0,
        position=_numbers(ds, "ImagePositionPatient", 3),
        orientation=_numbers(ds, "ImageOrientationPatient", 6),
    )


def scan(paths: Iterable[Path]) -> Scan:
    """Group files into series by their headers; pixel data is not read."""
    by_series: dict[str, list[Header]] = {}
    skipped, unreadable = [], []
    for path in paths:
        try:
            header = read_header(path)
        except Exception as error:  # a parser may raise anything on a damaged file
            unreadable.append((path, reason(error)))
            continue
        if header is None:
            skipped.append(path)
        else:
            by_series.setdefault(header.series, []).append(header)
    series = []
    for headers in by_series.values():
        if is_volume(headers):
            series.append(in_order(headers))
        else:
            series.extend([h] for h in sorted(headers, key=lambda h: (h.number, str(h.path))))
    return Scan(series, skipped, unreadable)


def is_volume(headers: Sequence[Header]) -> bool:
    """True when the files are single frames of one size and orientation at distinct positions."""
    first = headers[0]
    if len(headers) < 2 or first.position is None or first.orientation is None:
        return False
    for h in headers:
        if (h.rows, h.columns, h.frames) != (first.rows, first.columns, 1) or h.position is None:
            return False
        if h.orientation is None or not np.allclose(h.orientation, first.orientation, atol=1e-3):
            return False
    depth = np.sort([_depth(h) for h in headers])
    return bool((np.diff(depth) > 1e-3).all())


def _depth(header: Header) -> float:
    assert header.orientation is not None
    assert header.position is not None
    normal = np.cross(header.orientation[:3], header.orientation[3:])
    return float(normal @ np.asarray(header.position))


def in_order(headers: Sequence[Header]) -> list[Header]:
    """Slices sorted by position along the normal of the image plane."""
    return sorted(headers, key=_depth)


def _affine(ds: Any, first: Sequence[float], last: Sequence[float], n: int) -> np.ndarray | None:
    """RAS affine of (column, row, slice), as in PS3.3 C.7.6.2.1.1."""
    orientation = _numbers(ds, "ImageOrientationPatient", 6)
    spacing = _numbers(ds, "PixelSpacing", 2) or (1.0, 1.0)
    if orientation is None:
        return None
    affine = np.eye(4)
    affine[:3, 0] = np.asarray(orientation[:3]) * spacing[1]
    affine[:3, 1] = np.asarray(orientation[3:]) * spacing[0]
    if n > 1:
        affine[:3, 2] = (np.asarray(last) - np.asarray(first)) / (n - 1)
    else:
        thickness = float(ds.get("SpacingBetweenSlices") or ds.get("SliceThickness") or 1)
        affine[:3, 2] = np.cross(orientation[:3], orientation[3:]) * thickness
    affine[:3, 3] = first
    return _TO_RAS @ affine


def count_frames(paths: Sequence[Path], plane: str = "auto") -> int:
    """Number of frames of a file or of a series, from headers only."""
    ds = _dataset(paths[0], stop_before_pixels=True)
    if len(paths) == 1:
        if "Rows" not in ds:
            raise UnreadableItem(f"{paths[0]}: a DICOM object without pixels")
        return max(1, int(ds.get("NumberOfFrames") or 1))
    affine = _series_affine(paths)
    return frame_count((int(ds.Columns), int(ds.Rows), len(paths)), affine, plane)


def _series_affine(paths: Sequence[Path], datasets: Sequence[Any] = ()) -> np.ndarray:
    ends = [datasets[0], datasets[-1]] if datasets else [
        _dataset(p, stop_before_pixels=True) for p in (paths[0], paths[-1])
    ]  # fmt: skip
    positions = [_numbers(d, "ImagePositionPatient", 3) for d in ends]
    if positions[0] is None or positions[1] is None:
        raise UnreadableItem(f"{paths[0]}: a series without ImagePositionPatient is no volume")
    affine = _affine(ends[0], positions[0], positions[1], len(paths))
    if affine is None:
        raise UnreadableItem(f"{paths[0]}: a series without ImageOrientationPatient is no volume")
    return affine


def read(paths: Sequence[Path], plane: str = "auto") -> Picture:
    """Read one file, or the ordered files of a series as a volume.

    Values are those of pydicom's own pipeline: modality LUT or rescale applied, colour converted
    to RGB, MONOCHROME1 inverted. A linear window becomes ``window``; a VOI LUT or a sigmoid is
    applied to the values. Overlays are ignored.
    """
    datasets = [_dataset(p) for p in paths]
    arrays = [_values(p, ds) for p, ds in zip(paths, datasets)]
    head = datasets[len(datasets) // 2]
    pixels = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    pixels, notes = finite(pixels, paths[0].name)
    pixels, window = _window(head, pixels)
    if head.get("PhotometricInterpretation") == "MONOCHROME1":
        total = pixels.max().astype(np.int64) + pixels.min() if pixels.dtype.kind in "iu" else (
            pixels.max() + pixels.min()
        )  # fmt: skip
        pixels = (total - pixels).astype(pixels.dtype)
        if window is not None:
            window = (float(total) - window[1], float(total) - window[0])
    if len(paths) == 1:
        return Picture(pixels, window=window, notes=notes)
    affine = _series_affine(paths, datasets)
    grid = pixels.transpose([2, 1, 0] + list(range(3, pixels.ndim)))  # column, row, slice
    frames, affine = as_frames(grid, affine, choose_plane(affine, plane))
    return Picture(frames, window=window, affine=affine, notes=notes)


def _values(path: Path, ds: Any) -> np.ndarray:
    """Frames of one file in modality units, (F, H, W) or (F, H, W, 3)."""
    from pydicom.pixels import apply_color_lut, apply_rescale

    if "PixelData" not in ds and "FloatPixelData" not in ds and "DoubleFloatPixelData" not in ds:
        raise UnreadableItem(f"{path}: a DICOM object without pixels")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = _decode(path, ds)
        if ds.get("PhotometricInterpretation") == "PALETTE COLOR":
            array = apply_color_lut(array, ds)[..., :3]
        if int(ds.get("SamplesPerPixel") or 1) == 1 and array.shape[-1:] != (3,):
            array = apply_rescale(array, ds)
    if array.ndim == 2 or (array.ndim == 3 and _is_color(ds)):
        array = array[None]
    if _is_color(ds) and array.dtype == np.uint16:
        array = (array >> max(0, int(ds.get("BitsStored") or 16) - 8)).astype(np.uint8)
    return _smallest(array)


def _is_color(ds: Any) -> bool:
    return int(ds.get("SamplesPerPixel") or 1) == 3 or (
        ds.get("PhotometricInterpretation") == "PALETTE COLOR"
    )


def _decode(path: Path, ds: Any) -> np.ndarray:
    """``ds.pixel_array`` in RGB, with a missing decoder named."""
    from pydicom.pixels import pixel_array

    try:
        return pixel_array(ds)
    except (RuntimeError, NotImplementedError) as error:
        if "missing dependencies" not in str(error) and "plugins" not in str(error):
            raise
        syntax = ds.file_meta.TransferSyntaxUID.name
        raise UnreadableItem(
            f"{path}: compressed as {syntax}, for which no decoder is installed; "
            "pip install 'featprobe[dicom]' brings them"
        ) from error


def _smallest(array: np.ndarray) -> np.ndarray:
    """The smallest of uint8, int16, uint16, int32 that holds the values exactly, else float32."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "f" and not (
        np.isfinite(array).all() and (array == array.round()).all()
    ):
        return array.astype(np.float32)
    low, high = array.min(), array.max()
    for dtype in (np.int16, np.uint16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype)
    return array.astype(np.float32)


def _window(ds: Any, pixels: np.ndarray) -> tuple[np.ndarray, tuple[float, float] | None]:
    """The display window of PS3.3 C.11.2, applied where it is not linear."""
    if pixels.ndim == 4:
        return pixels, None
    function = str(ds.get("VOILUTFunction") or "LINEAR").upper()
    if "VOILUTSequence" in ds or function == "SIGMOID":
        from pydicom.pixels import apply_voi_lut

        try:
            shown = apply_voi_lut(pixels, ds)
        except Exception:  # a broken lookup table leaves the values readable
            return pixels, None
        return _smallest(shown), (float(shown.min()), float(shown.max()))
    try:
        centre, width = (
            float(v[0] if hasattr(v, "__len__") and not isinstance(v, str) else v)
            for v in (ds.get("WindowCenter"), ds.get("WindowWidth"))
        )
    except (TypeError, ValueError, IndexError):
        return pixels, None
    if function == "LINEAR_EXACT" and width > 0:
        return pixels, (centre - width / 2, centre + width / 2)
    if width > 1:
        return pixels, (centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)
    return pixels, None
