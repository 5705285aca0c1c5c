"""Split files: which item is in train, val or test, to share and to use again."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from featprobe.core.atomic import write_text_atomic
from featprobe.core.errors import InputError, MissingPath, reason
from featprobe.datasets.base import SPLITS, Dataset


def write_split(path: Path, ids: np.ndarray, groups: np.ndarray, split: np.ndarray) -> None:
    """Write a split to a CSV with the columns id, group, split."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "group", "split"])
    writer.writerows(zip(ids.tolist(), groups.tolist(), split.tolist()))
    try:
        write_text_atomic(path, out.getvalue())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error


def everybody(parts: np.ndarray, known: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N,) parts of all items from those (n,) of the ``known``: items without a label go with their
    patient (the first of its parts), and to train where all of the patient's lack one."""
    out = np.full(len(known), "train", dtype="<U5")
    at, first = np.unique(groups[known], return_index=True)
    place = np.minimum(np.searchsorted(at, groups), len(at) - 1)
    found = at[place] == groups
    out[found] = parts[first[place[found]]]
    out[known] = parts
    return out


def apply_split(data: Dataset, path: Path) -> None:
    """Use a split file as the official split of a data set.

    Every item must be in the file once. Items of the file that the data set lacks are an error
    too: the split was made of other data. Raises :class:`InputError` naming the first.
    """
    if not path.is_file():
        raise MissingPath(f"{path}: no such split file")
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable split file: {error}") from None
    if not rows or not {"id", "split"} <= set(rows[0]):
        raise InputError(f"{path}: a split file has the columns id and split")
    part: dict[str, str] = {}
    for row in rows:
        if row["split"] not in SPLITS:
            raise InputError(f"{path}: split {row['split']!r} is none of {', '.join(SPLITS)}")
        if row["id"] in part:
            raise InputError(f"{path}: item {row['id']!r} occurs twice")
        part[row["id"]] = row["split"]
    known = set(data.ids.tolist())
    for what, odd in (("has no", known - set(part)), ("names unknown", set(part) - known)):
        if odd:
            raise InputError(f"{path}: {what} item {min(odd)!r} ({len(odd)} such) of {data.name}")
    data.split = np.array([part[i] for i in data.ids.tolist()])
    data.split_origin = f"file {path.name}"
