"""Masks that a manifest names, in one column or in one a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featprobe.core.errors import InputError
from featprobe.datasets.columns import MASKS, named, require_columns
from featprobe.datasets.mask_layouts import with_classes
from featprobe.datasets.masks import MaskFile, Masks
from featprobe.datasets.paths import Finder
from featprobe.datasets.read_options import ReadOptions
from featprobe.images import files

if TYPE_CHECKING:
    import pandas


def mask_columns(
    path: Path, table: pandas.DataFrame, base: Path, reading: ReadOptions
) -> dict[str, str]:
    """Columns of mask files, each with the class it is of (empty: values are classes).

    Those of the reading, written ``COLUMN`` or ``CLASS=COLUMN``; else the first of a usual name
    whose values are names of image files.
    """
    if reading.bare or reading.masks == ("none",):
        return {}
    if reading.masks:
        out: dict[str, str] = {}
        for text in reading.masks:
            name, _, column = ("", "", text) if text in table.columns else text.rpartition("=")
            require_columns(path, table, [column])
            out[column] = name
        if len(out) > 1 and not all(out.values()):
            raise InputError(f"{path}: several columns of masks are written CLASS=COLUMN each")
        return out
    for column in named(table.columns, MASKS):
        known = [v for v in table[column].tolist() if v]
        if known and all(files.kind_of_name(v) for v in known):
            return {column: ""}
    return {}


def masks_of_table(
    path: Path, table: pandas.DataFrame, base: Path, columns: dict[str, str], reading: ReadOptions,
    memory: Path | None,
) -> Masks:  # fmt: skip
    """The masks of the rows; a blank is an item without a mask, several files are parted by |."""
    find = Finder(path, base)
    rows = []
    several = any(columns.values())
    for row, values in zip(table.index, zip(*(table[c].tolist() for c in columns))):
        rows.append(
            tuple(
                MaskFile(_file(find, text.strip(), int(row) + 2), k if several else None)
                for k, cell in enumerate(values)
                for text in cell.split("|")
                if text.strip()
            )
        )
    origin = f"column{'s' * (len(columns) > 1)} {', '.join(map(repr, columns))} of the manifest"
    names: Sequence[str] = tuple(columns.values()) if several else ()
    masks = Masks(
        tuple(rows), tuple(names), multilabel=several, origin=origin,
        memory=memory and memory.with_suffix(".masks.json"),
    )  # fmt: skip
    if not any(rows):
        raise InputError(f"{path}: {origin}: every cell is blank")
    return with_classes(masks, reading, base)


def _file(find: Finder, text: str, row: int) -> Path:
    found = find(text, row)
    if len(found) != 1:
        raise InputError(f"{find.table}: row {row}: mask {text!r} is a folder, not a file")
    return found[0]
