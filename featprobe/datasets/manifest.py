"""A CSV or TSV manifest: one row an item, with a path, labels, a group and a split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.paths import expanded
from featprobe.datasets.base import Dataset, FileSource
from featprobe.datasets.columns import (
    GROUPS,
    SPLITS,
    group_column,
    label_columns,
    named,
    require_columns,
)
from featprobe.datasets.groups import RULES, infer_groups, label_texts
from featprobe.datasets.labels import set_labels
from featprobe.datasets.mask_columns import mask_columns, masks_of_table
from featprobe.datasets.parts import split_column
from featprobe.datasets.paths import Finder, path_columns
from featprobe.datasets.read_options import ReadOptions
from featprobe.datasets.studies import StudySource
from featprobe.datasets.targets import Labelled
from featprobe.datasets.texts import read_table
from featprobe.images.decoded_image import FrameRecipe

if TYPE_CHECKING:
    import pandas


def load_manifest(
    path: Path,
    name: str,
    recipe: FrameRecipe,
    root: Path | None = None,
    reading: ReadOptions | None = None,
    memory: Path | None = None,
) -> Dataset:
    """Read a manifest.

    Columns are found by their usual names (path, label, patient, split; any case and spelling) or
    named by the ``reading``. Without a label column, other columns that hold only present, absent,
    uncertain and blanks are the labels, unless they are covariates. Paths are relative to ``root``
    (default: the manifest's folder) and may not leave it. A path that is a folder is one DICOM
    series. Rows that repeat one another are read once; a file that is missing is quarantined at
    extraction, unless all are. The recipe's modalities are columns of paths, and an item is the
    study of a row; its id is then the column ``id``, or the first path.
    """
    reading = reading or ReadOptions()
    table = read_table(path)
    base = expanded(root or path.parent).resolve()
    columns = path_columns(path, table, base, recipe.modalities, reading)
    id_column = (named(table.columns, ("id",)) or [""])[0] if recipe.modalities else ""
    masks = mask_columns(path, table, base, reading)
    special = [*columns, *masks, *([id_column] if id_column else [])]
    group, group_warnings = group_column(table, reading, special)
    parts, split, notes, warnings = split_column(path, table, reading, [*special, group or ""])
    labels, more = label_columns(path, table, reading, [*special, group or "", split])
    used = [c for c in (*labels, group, split) if c]
    table, parts, rest = _kept(path, table, parts, columns, used)
    data = _items(path, table, base, name, recipe, columns, id_column, memory)
    if masks:
        data.set_masks(masks_of_table(path, table, base, masks, reading, memory))
    data.notes += [*notes, *more, *rest]
    data.warn("patients", group_warnings)
    data.warn("split", warnings)
    if labels:
        data.notes += set_labels(path, table, data, labels, reading)
        data.label_origin = f"column{'s' * (len(labels) > 1)} {', '.join(map(repr, labels))}"
    _set_groups(path, table, data, group, reading.group)
    if parts is not None:
        data.split, data.split_origin = parts, f"column {split!r} of the manifest"
    return data


def _kept(
    path: Path, table: pandas.DataFrame, parts: np.ndarray | None, paths: Sequence[str],
    used: Sequence[str],
) -> tuple[pandas.DataFrame, np.ndarray | None, list[str]]:  # fmt: skip
    """The rows that are items, those of a part and each file once; their parts; notes.

    Raises :class:`InputError` for rows of one file that differ in a column that is used.
    """
    keep = np.ones(len(table), dtype=bool) if parts is None else parts != "none"
    aside, twice = int((~keep).sum()), 0
    first: dict[tuple[str, ...], int] = {}
    for i, row in enumerate(zip(*(table[c] for c in paths))):
        key = tuple(os.path.normpath(t.replace("\\", "/")) if t else f"\0{i}" for t in row)
        if not keep[i] or first.setdefault(key, i) == i:
            continue
        j = first[key]
        for c in used:
            if table[c].iloc[i] != table[c].iloc[j]:
                raise InputError(
                    f"{path}: rows {j + 2} and {i + 2} are of one file, {row[0]!r}, and differ in "
                    f"{c!r} ({table[c].iloc[j]!r}, {table[c].iloc[i]!r}): such items occur more "
                    "than once; keep one row a file, several labels in it joined by '|'"
                )
        keep[i], twice = False, twice + 1
    notes = [f"{aside} rows are left out, as --split-map says"] if aside else []
    notes += [f"{twice} rows repeat a file and say the same: read once"] if twice else []
    return table[keep], None if parts is None else parts[keep], notes


def _items(
    path: Path, table: pandas.DataFrame, base: Path, name: str, recipe: FrameRecipe,
    columns: Sequence[str], id_column: str, memory: Path | None,
) -> Dataset:  # fmt: skip
    """The items of the rows, without labels."""
    find = Finder(path, base)
    rows = [int(i) + 2 for i in table.index]
    absent = () if recipe.modalities else None  # a study may lack a view, an item not its image
    found = [
        [absent if absent is not None and not t else find(t, row) for t, row in zip(table[c], rows)]
        for c in columns
    ]
    files = [tuple(p for part in row for p in part) for row in zip(*found)]
    if not any(p and p[0].exists() for p in files):
        first = next((p[0] for p in files if p), path.parent)
        raise InputError(
            f"{path}: none of its {len(files)} files exist, first {first}"
            f"{find.hint(table[columns[0]].iloc[0])}; give the folder they are relative to with "
            f"--root, or their column with --path (now {columns[0]!r})"
        )
    source = FileSource(files, memory)
    if recipe.modalities:
        source = StudySource(files, memory, [tuple(map(len, row)) for row in zip(*found)])
    texts = [table[c].tolist() for c in ([id_column] if id_column else columns)]
    named_by = [
        next((t for t in row if t), f"row {row_of}") for row_of, row in zip(rows, zip(*texts))
    ]
    data = Dataset(name=name, ids=np.array(named_by), source=source, recipe=recipe)
    for c, column in zip(columns, found):
        if lacking := sum(not p for p in column):
            data.notes.append(f"{lacking} of {len(files)} studies have no {c!r}")
    if find.missing:
        data.warn("files", [f"{len(find.missing)} files are missing, first {find.missing[0]!r}"])
    if find.guessed:
        data.notes.append(
            f"column {columns[0]!r}: {find.guessed} names have no suffix; the one file of that "
            "name is taken"
        )
    return data


def _set_groups(
    path: Path, table: pandas.DataFrame, data: Dataset, column: str | None, group: str
) -> None:
    if column is None:
        if not (group in RULES or group.startswith("regex:")):
            require_columns(path, table.columns, [group])
        data.groups, data.group_origin = infer_groups(data.ids, group, label_texts(data))
        return
    values = table[column].tolist()
    if "" in values:
        row = int(table.index[values.index("")]) + 2
        raise InputError(
            f"{path}: row {row} has no {column!r} (its patient); fill it in, or give another rule "
            "with --group (none: each item its own)"
        )
    if any(v.endswith(".0") for v in values) and all(re.fullmatch(r"\d+(\.0)?", v) for v in values):
        values = [v.removesuffix(".0") for v in values]
    data.groups = np.array(values)
    data.group_origin = f"column {column!r} of the manifest"


def add_labels(
    path: Path, table: pandas.DataFrame, data: Labelled, reading: ReadOptions, used: Iterable[str]
) -> list[str]:
    """Labels from the columns of a table that are not ``used`` otherwise, and notes about them.

    For a table that is not of files: see :func:`~featprobe.datasets.columns.label_columns` and
    :func:`~featprobe.datasets.labels.set_labels`. Nothing is set where there is no such column.
    """
    other = [*named(table.columns, GROUPS), *named(table.columns, SPLITS)]
    columns, notes = label_columns(path, table, reading, [*used, *other])
    return [*notes, *set_labels(path, table, data, columns, reading)] if columns else notes
