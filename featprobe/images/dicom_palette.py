"""Palettes of DICOM images: from the tables of a header to colours of 8 bits.

Tables are those of PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6, segments those of C.7.9.2. What pydicom's
``apply_color_lut`` leaves aside is done here: the byte order of tables in big-endian files, tables
whose element is of numbers (US) and not of bytes, an odd number of entries of 8 bits, which is
padded, and stored values beyond the dtype of the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import UnreadableItem

COLOURS = ("Red", "Green", "Blue")


def colours(path: Path, ds: Any, stored: np.ndarray) -> np.ndarray:
    """Stored values (...,) looked up: (..., 3) uint8, the upper eight bits of larger entries.

    Values below the first that is mapped have its colour, those above the last that of the last.
    Tables of 16 bits that hold bytes are bytes. Raises :class:`UnreadableItem` for tables that do
    not fit their description.
    """
    try:
        entries, first, bits = (int(v) for v in ds.RedPaletteColorLookupTableDescriptor)
    except (AttributeError, TypeError, ValueError):
        raise UnreadableItem(f"{path}: a palette image whose palette is not described") from None
    entries = entries or 1 << 16
    if (
        "RedPaletteColorLookupTableData" not in ds
        and "SegmentedRedPaletteColorLookupTableData" in ds
    ):
        if bits == 8 and entries > 256:  # pydicom numbers entries in the dtype of the table
            raise UnreadableItem(f"{path}: a palette of {entries} entries in segments of 8 bits")
        tables = _segmented(path, ds, entries, first)
    else:
        tables = np.stack([_plain(path, ds, colour, entries) for colour in COLOURS], axis=1)
    if tables.dtype != np.uint8:
        tables = (tables >> 8 if tables.max() > 255 else tables).astype(np.uint8)
    index = np.clip(stored.astype(np.int64) - first, 0, len(tables) - 1)
    found: np.ndarray = tables[index]
    return found


def _plain(path: Path, ds: Any, colour: str, entries: int) -> np.ndarray:
    """(entries,) of one colour, uint8 or uint16."""
    table = ds.get(f"{colour}PaletteColorLookupTableData")
    big = not ds.original_encoding[1]
    if isinstance(table, bytes):
        if len(table) >= 2 * entries:
            return np.frombuffer(table, ">u2" if big else "<u2")[:entries].astype(np.uint16)
        if len(table) >= entries:
            if big:  # in words, whose low byte comes first in the table
                table = np.frombuffer(table[: len(table) // 2 * 2], ">u2").astype("<u2").tobytes()
            return np.frombuffer(table, np.uint8)[:entries]
    elif table is not None:  # already numbers, as of a VR of US or SS
        numbers = np.atleast_1d(np.asarray(table)).astype(np.int64).astype(np.uint16)
        if len(numbers) >= entries:
            return numbers[:entries]
        if 2 * len(numbers) >= entries:  # two entries of 8 bits in each
            return np.frombuffer(numbers.astype("<u2").tobytes(), np.uint8)[:entries]
    raise UnreadableItem(
        f"{path}: its palette has {entries} entries, which its table of {colour.lower()} does not"
    )


def _segmented(path: Path, ds: Any, entries: int, first: int) -> np.ndarray:
    """(entries, 3) as pydicom expands segments."""
    from pydicom.pixels import apply_color_lut

    try:
        every = np.arange(first, first + entries)
        found: np.ndarray = apply_color_lut(every, ds)[..., :3]
    except Exception as error:  # whatever pydicom makes of segments that are damaged
        raise UnreadableItem(
            f"{path}: the segments of its palette cannot be read: {error}"
        ) from error
    return found
