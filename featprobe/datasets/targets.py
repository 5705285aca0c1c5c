"""Labels as stored, in text or numbers, to the targets of a Dataset."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.class_order import as_numbers, ordered

# Texts that mean unknown: what pandas.read_csv takes for no value (and writes), and -1.
NO_VALUE = (
    "", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "NaT",
    "None", "n/a", "nan", "null",
)  # fmt: skip
MISSING = (*NO_VALUE, "-1", "-1.0")
MOST_CLASSES = 20  # more numbers than this, few of which recur, are a measurement


class Labelled(Protocol):
    """Protocol of objects with labels: a Dataset, or the table of items of a store."""

    targets: np.ndarray | None
    task: str | None
    classes: tuple[str, ...]


def blank(
    values: Sequence[str], missing: Sequence[str] = (), task: str | None = None
) -> tuple[list[str], Counter[str]]:
    """The values with "" for those that mean unknown, and which texts these were how often.

    ``missing``: in place of :data:`MISSING`; of a regression -1 is a number like others.
    """
    usual = NO_VALUE if task == "regression" else MISSING
    unknown = {m.strip() for m in missing} | {""} if missing else set(usual)
    texts = [v.strip() for v in values]
    found = Counter(t for t in texts if t and t in unknown)
    return ["" if t in unknown else t for t in texts], found


def one_spelling(values: Sequence[str]) -> list[str]:
    """``1`` and ``1.0`` as ``1``, ``TRUE`` and ``true`` as ``True``, where all values are such.

    Numbers that are written with leading zeros are codes: they stay as they are.
    """
    known = {v for v in values if v}
    if known and {v.lower() for v in known} <= {"true", "false"}:
        return [v.capitalize() for v in values]
    numbers = as_numbers(values)
    if not known or numbers is None or any(re.match(r"[+-]?0\d", v) for v in known):
        return list(values)
    return [f"{n:.15g}" if v else "" for v, n in zip(values, numbers)]


def add_text(
    data: Labelled, values: Sequence[str], where: Path, task: str | None = None,
    missing: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """Set targets from one text an item, unknown where :func:`blank` says so.

    Classes are the texts, :func:`ordered`; with ``task`` regression or ordinal the texts are
    numbers, and grades are the numbers that occur, in order. Returns what is to be told: which
    texts were taken for unknown. Raises :class:`InputError` for numbers with a fraction, or texts
    of which hardly one recurs, where no task says what they are.
    """
    texts, unknown = blank(values, missing, task)
    notes = [_unknown(unknown, len(values))] if unknown else []
    if task in ("regression", "ordinal"):
        _add_numbers(data, texts, where, task)
        return notes
    texts = one_spelling(texts)
    if task is None:
        _refuse_measurements(texts, where)
    data.classes = ordered(v for v in texts if v)
    code = {c: i for i, c in enumerate(data.classes)}
    data.targets = np.array([code.get(v, -1) for v in texts], dtype=np.int64)
    data.task = "multiclass"
    return notes


def _unknown(found: Counter[str], n: int) -> str:
    texts = ", ".join(f"{t!r} {k}" for t, k in found.most_common())
    return (
        f"{sum(found.values())} of {n} labels are taken as unknown: {texts} (--missing VALUE... "
        "says which texts mean so)"
    )


def _add_numbers(data: Labelled, texts: Sequence[str], where: Path, task: str) -> None:
    found = as_numbers(texts)
    if found is None:
        odd = next(t for t in texts if as_numbers([t]) is None)
        raise InputError(f"{where}: a {task} label is no number: {odd!r}")
    numbers = np.array(found)
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
        odd_grade = grades[grades != np.round(grades)][0]
        raise InputError(f"{where}: grade {odd_grade:g} is no whole number; --task regression?")
    data.classes = tuple(f"{g:g}" for g in grades)
    data.targets = np.where(np.isnan(numbers), -1, np.searchsorted(grades, numbers))
    data.task = task


def _refuse_measurements(texts: Sequence[str], where: Path) -> None:
    """Refuse to make classes of what is a measurement, or a name of each item."""
    known = [t for t in texts if t]
    counts = Counter(known)
    numbers = as_numbers(known)
    if numbers is not None and any(n != round(n) for n in numbers if np.isfinite(n)):
        odd = next(t for t, n in zip(known, numbers) if n != round(n))
        raise InputError(
            f"{where}: the label {odd!r} has a fraction, so it is no class for sure; say "
            "--task regression or --task multiclass, or another --label"
        )
    each = 5 if numbers is not None else 2
    if len(counts) > max(MOST_CLASSES, len(known) / each):
        what = "numbers" if numbers is not None else "texts"
        raise InputError(
            f"{where}: {len(known)} labels are {len(counts)} different {what}, so they are no "
            "classes for sure; say --task multiclass (or regression, ordinal), or another --label"
        )


def add_array(data: Labelled, y: np.ndarray, where: Path, classes: Sequence[str] = ()) -> None:
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
