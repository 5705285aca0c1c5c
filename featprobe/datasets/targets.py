"""Labels as stored, in text or numbers, to the targets of a Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from featprobe.datasets.base import Dataset
from featprobe.errors import InputError


class Labelled(Protocol):
    """What has labels: a :class:`Dataset`, or the table of items of a store."""

    targets: np.ndarray | None
    task: str | None
    classes: tuple[str, ...]


def add_text(data: Labelled, values: Sequence[str], where: Path, task: str | None = None) -> None:
    """Set targets from one text an item, blank where unknown.

    Classes are the texts in sorted order; with ``task`` regression or ordinal the texts are
    numbers, and grades are the numbers that occur, in order.
    """
    if task in ("regression", "ordinal"):
        try:
            numbers = np.array([float(v) if v else np.nan for v in values])
        except ValueError as error:
            raise InputError(f"{where}: a {task} label is no number: {error}") from None
        if np.isinf(numbers).any():
            row = int(np.flatnonzero(np.isinf(numbers))[0])
            raise InputError(
                f"{where}: the {task} label of row {row + 1} is infinite; leave it blank if unknown"
            )
        if task == "regression":
            data.targets, data.task = numbers, task
            return
        grades = np.unique(numbers[~np.isnan(numbers)])
        if (grades != np.round(grades)).any():
            odd = grades[grades != np.round(grades)][0]
            raise InputError(f"{where}: grade {odd:g} is no whole number; --task regression?")
        data.classes = tuple(f"{g:g}" for g in grades)
        data.targets = np.where(np.isnan(numbers), -1, np.searchsorted(grades, numbers))
        data.task = task
        return
    data.classes = tuple(sorted({v for v in values if v}))
    code = {c: i for i, c in enumerate(data.classes)}
    data.targets = np.array([code.get(v, -1) for v in values], dtype=np.int64)
    data.task = "multiclass"


def add_array(data: Dataset, y: np.ndarray, where: Path, classes: Sequence[str] = ()) -> None:
    """Set targets from numbers (N,) or (N, C).

    One column of whole numbers is a class each, of the names in ``classes`` by number, otherwise
    of the numbers that occur; one column of other floats is a regression. Several columns are
    multi-label, of 0, 1 and NaN. Raises :class:`InputError` for anything else.
    """
    y = np.asarray(y).reshape(len(y), -1)
    if y.dtype.kind not in "biuf":
        raise InputError(f"{where}: labels of type {y.dtype} are no numbers")
    whole = y.dtype.kind != "f" or bool((y == np.round(y)).all())
    if y.shape[1] > 1:
        if not np.isin(y[~np.isnan(y.astype(float))], (0, 1)).all():
            raise InputError(f"{where}: {y.shape[1]} label columns hold other values than 0 and 1")
        data.classes = tuple(classes) or tuple(f"label{j}" for j in range(y.shape[1]))
        data.targets, data.task = y.astype(float), "multilabel"
    elif whole and classes:
        if y.min() < -1 or y.max() >= len(classes):
            raise InputError(
                f"{where}: labels {y.min():g} to {y.max():g}, but {len(classes)} class names"
            )
        data.classes = tuple(classes)
        data.targets, data.task = y[:, 0].astype(np.int64), "multiclass"
    elif whole:
        values = np.unique(y)
        data.classes = tuple(f"{v:g}" for v in values.astype(float))
        data.targets, data.task = np.searchsorted(values, y[:, 0]), "multiclass"
    else:
        data.targets, data.task = y[:, 0].astype(float), "regression"
