"""A CSV or TSV manifest: one row an item, with a path, labels, a group and a split."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featprobe.datasets.base import Dataset, FileSource
from featprobe.datasets.folder import SPLIT_FOLDERS, collect
from featprobe.datasets.groups import infer_groups
from featprobe.datasets.studies import StudySource
from featprobe.datasets.tables import read_columns
from featprobe.datasets.targets import Labelled, add_text
from featprobe.errors import InputError, UnknownName, nearest
from featprobe.images.picture import FrameRecipe

if TYPE_CHECKING:
    import pandas

PATHS = ("path", "image", "file", "filename", "file_name", "filepath", "image_path")
LABELS = ("label", "class", "target", "diagnosis", "category")
GROUPS = ("group", "patient", "patient_id", "patientid", "subject", "subject_id")
SPLIT_COLUMNS = ("split", "fold", "subset", "partition")


def load_manifest(
    path: Path,
    name: str,
    recipe: FrameRecipe,
    root: Path | None = None,
    label: Sequence[str] = (),
    group: str = "auto",
    task: str | None = None,
    memory: Path | None = None,
) -> Dataset:
    """Read a manifest.

    Columns are found by their usual names (path, label, group / patient, split; any case) or named:
    ``label`` one column (classes) or several (multi-label: 0, 1, empty = unknown); ``group`` a
    column, or a rule of :func:`~featprobe.datasets.groups.infer_groups`. Without a label column,
    other columns that hold only 0, 1 and blanks are the labels. Paths are relative to ``root``
    (default: the manifest's folder) and may not leave it. A path that is a folder is one DICOM
    series. A file that is missing is quarantined at extraction, unless all are. The recipe's
    modalities are columns of paths, and an item is the study of a row; its id is then the column
    ``id``, or the first path.
    """
    table = read_table(path)
    base = (root or path.parent).resolve()
    columns = _path_columns(path, table, recipe.modalities)
    texts = [[t.strip() for t in table[c]] for c in columns]
    found = [[_inside(path, base, t, row) for row, t in enumerate(ts, 2)] for ts in texts]
    sources = [tuple(p for part in row for p in part) for row in zip(*found)]
    id_column = _find(table, ("id",)) if recipe.modalities else None
    ids = [t.strip() for t in table[id_column]] if id_column else texts[0]
    if not any(p[0].exists() for p in sources):
        raise InputError(
            f"{path}: none of its {len(ids)} files exist, first {sources[0][0]}; "
            "give the folder they are relative to with --root"
        )
    groups, origin = _groups(path, table, ids, group)
    source = FileSource(sources, memory)
    if recipe.modalities:
        source = StudySource(sources, memory, [tuple(map(len, row)) for row in zip(*found)])
    data = Dataset(
        name=name, ids=np.array(ids), source=source, groups=groups, group_origin=origin,
        recipe=recipe,
    )  # fmt: skip
    add_labels(path, table, data, label, task, used={*columns, id_column or columns[0]})
    column = _find(table, SPLIT_COLUMNS)
    if column is not None:
        data.split = np.array([_split(path, v) for v in table[column]])
        data.split_origin = f"column {column!r} of the manifest"
    return data


def _path_columns(path: Path, table: pandas.DataFrame, modalities: Sequence[str]) -> list[str]:
    """The column of file paths, or the columns of the modalities."""
    for c in modalities:
        if c not in table.columns:
            raise UnknownName(f"{path}: no column {c!r}.{nearest(c, table.columns)}")
    if modalities:
        return list(modalities)
    column = _find(table, PATHS)
    if column is None:
        raise InputError(
            f"{path}: no column of file paths; expected one of {', '.join(PATHS)}, "
            f"found {', '.join(table.columns)}"
        )
    return [column]


def read_table(path: Path) -> pandas.DataFrame:
    """A CSV, TSV or Parquet table as text.

    Fields are separated by whatever parts the header most often.
    """
    import pandas

    if path.suffix.lower() == ".parquet":
        columns = read_columns([path])[1]
        return pandas.DataFrame(
            {k: ["" if v is None else str(v) for v in column] for k, column in columns.items()},
            dtype=str,
        )
    try:
        with path.open(encoding="utf-8-sig") as f:
            header = f.readline()
        separator = max(",;\t|", key=header.count)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", pandas.errors.ParserWarning
            )  # rows longer than the header
            table = pandas.read_csv(
                path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig",
                index_col=False,
            ).fillna("")  # fmt: skip
    except (
        pandas.errors.ParserError, pandas.errors.ParserWarning, pandas.errors.EmptyDataError,
        ValueError,
    ) as error:  # fmt: skip
        raise InputError(f"{path}: not a table that can be read: {error}") from None
    table.columns = [str(c).strip() for c in table.columns]
    if not len(table):
        raise InputError(f"{path}: the manifest has no rows")
    return table


def _find(table: pandas.DataFrame, names: Sequence[str]) -> str | None:
    lower = {c.lower().replace(" ", "_"): c for c in table.columns}
    return next((lower[n] for n in names if n in lower), None)


def _inside(manifest: Path, base: Path, text: str, row: int) -> tuple[Path, ...]:
    if not text:
        raise InputError(f"{manifest}: row {row} has no path")
    path = base / text
    if not path.resolve().is_relative_to(base):
        raise InputError(
            f"{manifest}: row {row}: {text!r} lies outside {base}; give a --root that holds it"
        )
    if path.is_dir():
        found = collect(path)
        if len(found.paths) != 1:
            raise InputError(
                f"{manifest}: row {row}: {text!r} holds {len(found.paths)} items, expected one "
                "DICOM series"
            )
        return found.paths[0]
    return (path,)


def _groups(
    path: Path, table: pandas.DataFrame, ids: list[str], group: str
) -> tuple[np.ndarray, str]:
    column = _find(table, GROUPS) if group == "auto" else None
    if group in table.columns:
        column = group
    if column is None:
        known = group in ("auto", "none", "folder") or group.startswith("regex:")
        if not known:
            raise UnknownName(f"{path}: no column {group!r}.{nearest(group, table.columns)}")
        return infer_groups(ids, group)
    values = [v.strip() for v in table[column]]
    if "" in values:
        raise InputError(f"{path}: row {values.index('') + 2} has no {column!r} (its patient)")
    return np.array(values), f"column {column!r} of the manifest"


def _split(path: Path, value: str) -> str:
    known = SPLIT_FOLDERS.get(value.strip().lower())
    if known is None:
        raise InputError(f"{path}: split {value!r} is none of train, val, test")
    return known


def add_labels(
    path: Path, table: pandas.DataFrame, data: Labelled, label: Sequence[str], task: str | None,
    used: set[str],
) -> None:  # fmt: skip
    """Set targets, task and classes from the columns ``label``, or from those of usual names.

    ``used``: columns that are no labels. The index of the table numbers the file's rows from 0.
    Nothing is set where no column is found.
    """
    columns = list(label)
    for c in columns:
        if c not in table.columns:
            raise UnknownName(f"{path}: no column {c!r}.{nearest(c, table.columns)}")
    if not columns:
        found = _find(table, LABELS)
        special = {_find(table, GROUPS), _find(table, SPLIT_COLUMNS), *used}
        binary = {"0", "1", "0.0", "1.0", ""}
        columns = [found] if found else [
            c for c in table.columns if c not in special and set(table[c].str.strip()) <= binary
        ]  # fmt: skip
    if not columns:
        return
    if len(columns) == 1 and task != "multilabel":
        add_text(data, [v.strip() for v in table[columns[0]]], path, task)
        return
    values = np.empty((len(table), len(columns)))
    for j, c in enumerate(columns):
        for i, (row, v) in enumerate(table[c].items()):
            text = v.strip()
            if text not in ("", "0", "1", "0.0", "1.0"):
                raise InputError(
                    f"{path}: row {int(str(row)) + 2}: {c!r} is {text!r}; a multi-label column "
                    "holds 0, 1 or nothing (unknown)"
                )
            values[i, j] = float(text) if text else np.nan
    data.targets, data.task, data.classes = values, "multilabel", tuple(columns)
