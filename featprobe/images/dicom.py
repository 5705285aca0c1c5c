"""DICOM files and series through pydicom.

A series is a volume when its files share one size and orientation and have positions; it is then
ordered along the slice normal, whatever the file names say. A multi-frame file whose frames have
positions is a volume of its own. Files of a series that do not form a volume (projections,
secondary captures) are items of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import UnreadableItem
from featprobe.images.decoded_image import (
    DecodedImage,
    FrameRecipe,
    ImageHeader,
    Volume,
    finite,
    smallest,
)
from featprobe.images.dicom_file import (
    SUFFIXES,
    dataset,
    group,
    is_dicom,
    named,
    numbers,
)
from featprobe.images.dicom_header import Header, Numbers, depth_of, read_header
from featprobe.images.dicom_pixels import upright, values
from featprobe.images.dicom_series import Scan, scan
from featprobe.images.dicom_values import display
from featprobe.images.limits import check_pixels
from featprobe.images.padding import settle

__all__ = ["SUFFIXES", "Header", "Scan", "extent", "is_dicom", "load", "read_header", "scan"]

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_PLACE = 1e-3  # mm


def extent(paths: Sequence[Path], recipe: FrameRecipe, header: Header | None = None) -> ImageHeader:
    """Size and geometry of a file, or of the ordered files of a series, from headers only.

    ``header``: of the one file, where it is known: that of several frames is not all there is.
    """
    ends = [header or read_header(paths[0])]
    if len(paths) > 1:
        ends.append(read_header(paths[-1]))
    headers = [h for h in ends if h is not None]
    if len(headers) < len(ends):
        raise UnreadableItem(f"{paths[0]}: a DICOM object without pixels")
    if len(paths) > 1:
        return extent_of_series(paths, headers)
    shape = (headers[0].columns, headers[0].rows, headers[0].frames)
    if shape[2] < 2:
        return ImageHeader(shape)
    with named(paths[0]):
        slices = _slices(dataset(paths[0], stop_before_pixels=True), shape[2])
        return ImageHeader(shape, None if slices is None else slices[1])


def extent_of_series(paths: Sequence[Path], ends: Sequence[Header]) -> ImageHeader:
    """Size and geometry of the ordered files of a series by the headers of the first and last."""
    columns, rows = ends[0].columns, ends[0].rows
    check_pixels(paths[0], columns, rows, len(paths))
    places = [(h.position, h.orientation, h.spacing) for h in ends]
    return ImageHeader((columns, rows, len(paths)), _series_affine(paths, places))


def load(paths: Sequence[Path], recipe: FrameRecipe) -> DecodedImage | Volume:
    """Read one file, or the ordered files of a series as a volume.

    Values are those of pydicom's own pipeline in modality units: modality LUT or rescale applied,
    colour converted to RGB, MONOCHROME1 inverted. How the file asks to be shown (of the middle
    slice: a window, a VOI LUT, a sigmoid) lies beside them. Overlays are ignored.
    """
    arrays: list[np.ndarray] = []
    masks: list[np.ndarray | None] = []
    datasets: list[Any] = []
    for path in paths:
        with named(path):
            ds = dataset(path)
            if not datasets and "Rows" in ds:
                check_pixels(path, len(paths), int(ds.Rows), int(ds.Columns))
            array, padding = values(path, ds)
            arrays.append(array)
            masks.append(padding)
            datasets.append(ds)
    with named(paths[0]):
        return _assemble(paths, arrays, masks, datasets)


def _assemble(
    paths: Sequence[Path], arrays: list[np.ndarray], masks: list[np.ndarray | None],
    datasets: list[Any],
) -> DecodedImage | Volume:  # fmt: skip
    shapes = {a.shape[1:] for a in arrays}
    if len(shapes) > 1:
        raise UnreadableItem(f"{paths[0]}: its series has slices of sizes {sorted(shapes)}")
    pixels = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    outside = None
    if any(m is not None for m in masks):
        full = [np.zeros(a.shape, dtype=bool) if m is None else m for a, m in zip(arrays, masks)]
        outside = np.concatenate(full)
    pixels = smallest(pixels) if pixels.dtype.itemsize > 4 else pixels
    pixels, notes = finite(pixels, paths[0].name)
    head = datasets[len(datasets) // 2]
    window = curve = None
    if pixels.ndim == 3:
        window, curve, text = display(head, len(arrays[len(arrays) // 2]), pixels)
        pixels, window, curve = upright(head, pixels, outside, window, curve)
        notes += text
    pixels, padding = settle(pixels, outside, None if window is None else window[0])
    if outside is not None and outside.all():
        notes += ("all of it is padding",)
    about: dict[str, Any] = {
        "window": window, "display": curve, "padding": padding, "facts": facts(head),
    }  # fmt: skip
    if len(paths) > 1:
        affine = _series_affine(paths, [_place(d) for d in (datasets[0], datasets[-1])])
        positions = [numbers(d, "ImagePositionPatient", 3) for d in datasets]
        depths = [depth_of(p, numbers(head, "ImageOrientationPatient", 6)) for p in positions if p]
        notes += _uneven(depths)
    else:
        slices = _slices(head, len(pixels))
        if slices is None:
            return DecodedImage(pixels, notes=notes, **about)
        order, affine, uneven = slices
        pixels, notes = pixels[order], notes + uneven
    grid = pixels.transpose([2, 1, 0] + list(range(3, pixels.ndim)))  # column, row, slice
    return Volume(grid, affine, notes=notes, **about)


def facts(ds: Any) -> dict[str, str]:
    """What a classifier could take for the class: the scanner, and how bright and dark lie."""
    maker = [str(ds.get(n) or "").strip() for n in ("Manufacturer", "ManufacturerModelName")]
    return {
        "scanner": " ".join(m for m in maker if m)[:40],
        "photometric": str(ds.get("PhotometricInterpretation") or "")[:16],
    }


def _affine(
    orientation: Sequence[float], spacing: Sequence[float], first: Sequence[float],
    last: Sequence[float], n: int,
) -> np.ndarray:  # fmt: skip
    """RAS affine of (column, row, slice), as in PS3.3 C.7.6.2.1.1."""
    affine = np.eye(4)
    affine[:3, 0] = np.asarray(orientation[:3]) * spacing[1]
    affine[:3, 1] = np.asarray(orientation[3:]) * spacing[0]
    affine[:3, 2] = (np.asarray(last) - np.asarray(first)) / (n - 1)
    affine[:3, 3] = first
    return _TO_RAS @ affine


def _place(ds: Any) -> tuple[Numbers, Numbers, Numbers]:
    """Position, orientation and spacing of a slice."""
    return (
        numbers(ds, "ImagePositionPatient", 3), numbers(ds, "ImageOrientationPatient", 6),
        numbers(ds, "PixelSpacing", 2),
    )  # fmt: skip


def _series_affine(
    paths: Sequence[Path], ends: Sequence[tuple[Numbers, Numbers, Numbers]]
) -> np.ndarray:
    """The affine of a series by the places of its first and last slice."""
    (first, orientation, spacing), (last, _, _) = ends[0], ends[-1]
    if first is None or last is None or orientation is None:
        raise UnreadableItem(f"{paths[0]}: a series without position and orientation is no volume")
    return _affine(orientation, spacing or (1.0, 1.0), first, last, len(paths))


def _slices(ds: Any, n: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]] | None:
    """Order, affine and notes of a multi-frame file whose frames are slices of one volume.

    None where they have no positions, several orientations, or share positions.
    """
    if n < 2 or "PerFrameFunctionalGroupsSequence" not in ds:
        return None
    positions, orientations = [], []
    for i in range(n):
        place, plane = (
            group(ds, i, "PlanePositionSequence"),
            group(ds, i, "PlaneOrientationSequence"),
        )
        positions.append(numbers(place, "ImagePositionPatient", 3) if place else None)
        orientations.append(numbers(plane, "ImageOrientationPatient", 6) if plane else None)
    first = orientations[0]
    if first is None or any(p is None for p in positions):
        return None
    if any(o is None or not np.allclose(o, first, atol=1e-3) for o in orientations):
        return None
    depths = np.array([depth_of(p, first) for p in positions])
    order = np.argsort(depths, kind="stable")
    if np.diff(depths[order]).min() <= _SAME_PLACE:
        return None
    measures = group(ds, 0, "PixelMeasuresSequence")
    spacing = (measures and numbers(measures, "PixelSpacing", 2)) or (1.0, 1.0)
    ends = positions[order[0]], positions[order[-1]]
    assert ends[0] is not None
    assert ends[1] is not None
    return order, _affine(first, spacing, *ends, n), _uneven(depths[order])


def _uneven(depths: Sequence[float] | np.ndarray) -> tuple[str, ...]:
    """A note where slices are missing or unevenly spaced, by more than a tenth."""
    steps = np.diff(depths)
    if steps.max() <= 1.1 * steps.min():
        return ()
    return (
        f"slices lie {steps.min():.2f} to {steps.max():.2f} mm apart (some may be missing); "
        "they are read as evenly spaced",
    )
