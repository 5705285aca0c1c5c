"""DICOM's ways from stored values to modality units and to the screen: rescale, tables, windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from featprobe.images.dicom_file import group
from featprobe.images.display import Curve

Window = tuple[float, float]


def modality_units(array: np.ndarray, ds: Any) -> np.ndarray:
    """Stored values (F, H, W) in modality units, transformed once.

    The transformation of a frame (Pixel Value Transformation, PS3.3 C.7.6.16.2.9) stands in the
    place of the one at the root; a modality LUT (C.11.1) comes before a rescale. An absent or empty
    slope is 1, an intercept 0.
    """
    macros = [group(ds, i, "PixelValueTransformationSequence") for i in range(len(array))]
    table = _item(ds, "ModalityLUTSequence")
    if not any(m is not None for m in macros):
        if table is not None:
            first, values = _table(table, ds, signed=int(ds.get("PixelRepresentation") or 0) == 1)
            return values[np.clip(array.astype(np.int64) - first, 0, len(values) - 1)]
        macros = [ds] * len(array)
    lines = [_line(m) if m is not None else (1.0, 0.0) for m in macros]
    if all(line == (1.0, 0.0) for line in lines):
        return array
    slope, intercept = np.array(lines).T.reshape(2, -1, 1, 1)
    if array.dtype.kind in "iu" and array.dtype.itemsize <= 2 and _whole(slope, intercept):
        return np.asarray(array * slope.astype(np.int32) + intercept.astype(np.int32))
    return np.asarray(array * slope + intercept)


def _whole(slope: np.ndarray, intercept: np.ndarray) -> bool:
    """Whether 16 bits times a slope plus an intercept are whole numbers that 32 bits hold: what
    integers compute in a third of the time of float64, to the same values."""
    both = np.stack([slope, intercept])
    return bool((both == both.round()).all() and (np.abs(both).sum(0) < 1 << 15).all())


def _line(ds: Any) -> tuple[float, float]:
    slope, intercept = ds.get("RescaleSlope"), ds.get("RescaleIntercept")
    return (
        1.0 if slope in (None, "") else float(slope),
        0.0 if intercept in (None, "") else float(intercept),
    )


def _item(ds: Any, name: str) -> Any:
    """The first item of a sequence that holds a table; None where it is absent or empty."""
    found = [i for i in ds.get(name) or () if i.get("LUTDescriptor") and i.get("LUTData")]
    return found[0] if found else None


def _table(item: Any, ds: Any, signed: bool) -> tuple[int, np.ndarray]:
    """First input value and outputs of a lookup table of 8 to 16 bits (PS3.3 C.11.1.1.1).

    Raises ``ValueError`` where the data are none or of another length than the descriptor says.
    """
    count, first, bits = (int(v) for v in item.LUTDescriptor)
    count, first = count or 65536, int(first)
    if signed and first > 32767:  # read as unsigned
        first -= 65536
    data = item.LUTData
    if isinstance(data, (bytes, bytearray)):
        little = bool(ds.original_encoding[1]) if ds.original_encoding[1] is not None else True
        packed = bits <= 8 and len(data) in (count, count + 1)
        values = np.frombuffer(data, "u1" if packed else "<u2" if little else ">u2")
    else:
        values = np.atleast_1d(np.asarray(data)).astype(np.int64)
    values = values[:count].astype(np.int64) & 0xFFFF
    if len(values) < count or not count:
        raise ValueError(f"a lookup table of {len(values)} values, {count} are claimed")
    return first, values


def display(
    ds: Any, frames: int, values: np.ndarray
) -> tuple[Window | None, Curve | None, tuple[str, ...]]:
    """The display of a file (PS3.3 C.11.2) on top of modality units: window, curve, notes.

    A table or a sigmoid is a curve; the window beside it is its linear stand-in. Of several
    windows, or of frames with different ones, the first and that of the middle frame are taken.
    """
    macro = group(ds, frames // 2, "FrameVOILUTSequence")
    window, curve, notes = _shown(ds if macro is None else macro, ds, values)
    if frames > 1 and macro is not None:
        kinds = set()
        for i in range(frames):
            m = group(ds, i, "FrameVOILUTSequence")
            kinds.add((None if m is None else linear(m), str(m and m.get("VOILUTFunction"))))
        if len(kinds) > 1:
            notes += (
                f"its frames ask for {len(kinds)} display windows; that of the middle frame is "
                "used for all",
            )
    return window, curve, notes


def _shown(
    source: Any, ds: Any, values: np.ndarray
) -> tuple[Window | None, Curve | None, tuple[str, ...]]:
    window = linear(source)
    item = _item(source, "VOILUTSequence")
    if item is not None:
        try:
            first, table = _table(item, ds, signed=bool(values.min() < 0))
            if table.min() < table.max():
                ends = table - table.min()
                curve = Curve(first=first, table=ends / ends.max())
                return (float(first), float(first + len(table) - 1)), curve, ()
        except Exception:  # a broken table leaves the window
            return window, None, ("its VOI lookup table cannot be read and is left out",)
    if window is not None and str(source.get("VOILUTFunction") or "").upper() == "SIGMOID":
        centre, width = _centre_width(source) or (0.0, 1.0)
        return window, Curve(centre=centre, width=width), ()
    return window, None, ()


def _centre_width(ds: Any) -> tuple[float, float] | None:
    try:
        centre, width = (
            float(v[0] if hasattr(v, "__len__") and not isinstance(v, str) else v)
            for v in (ds.get("WindowCenter"), ds.get("WindowWidth"))
        )
    except Exception:  # absent, empty or damaged: the file has no window
        return None
    return (centre, width) if np.isfinite([centre, width]).all() else None


def linear(ds: Any) -> Window | None:
    """(low, high) of the first window, PS3.3 C.11.2.1.2 and C.11.2.1.3; None without one.

    A width of 1 is a threshold at centre - 0.5: what is at least half above it is white.
    """
    found = _centre_width(ds)
    if found is None:
        return None
    centre, width = found
    function = str(ds.get("VOILUTFunction") or "LINEAR").upper()
    if function in ("LINEAR_EXACT", "SIGMOID") and width > 0:
        return centre - width / 2, centre + width / 2
    if width > 1:
        return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return (centre - 0.5, centre) if width == 1 else None


def outside(stored: np.ndarray, ds: Any) -> np.ndarray | None:
    """Where stored values are padding: PixelPaddingValue, to PixelPaddingRangeLimit where it is
    there (PS3.3 C.7.5.1.1.2). None without padding; both may be written signed or unsigned."""
    try:
        value = ds.get("PixelPaddingValue")
        if value is None or value == "":
            return None
        limit = ds.get("PixelPaddingRangeLimit")
        ends = [int(v) for v in (value, value if limit in (None, "") else limit)]
    except Exception:  # a damaged value is an absent one
        return None
    bits = 8 * stored.dtype.itemsize
    span, half = 1 << bits, 1 << (bits - 1)
    signed = stored.dtype.kind == "i"
    low, high = sorted((e + half) % span - half if signed else e % span for e in ends)
    return np.asarray((stored >= low) & (stored <= high))
