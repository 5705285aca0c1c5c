"""Columns given in Python, checked and brought to the form of a Dataset or a table of items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.text_columns import hashes
from featprobe.datasets.class_order import ordered

TASKS = ("multiclass", "multilabel", "ordinal", "regression")
SPLITS = ("train", "val", "test")
GIVEN = "given in Python"


@dataclass(frozen=True)
class Targets:
    """``values``: int (N,) classes, -1 unknown; float (N, C) labels of 0, 1, NaN; float (N,).

    ``task`` of these, and the names of the ``classes`` or labels.
    """

    values: np.ndarray
    task: str
    classes: tuple[str, ...]


def text_column(values: Iterable[Any], n: int, what: str) -> np.ndarray:
    """(N,) text of one value an item; None and NaN become "".

    Raises :class:`InputError` for a text instead of a list, another length, or rows of rows.
    """
    if isinstance(values, (str, bytes)):
        raise InputError(f"{what}: expected one value an item ({n}), got the text {values!r}")
    if isinstance(values, (Mapping, set)) or not isinstance(values, Iterable) or _single(values):
        raise InputError(
            f"{what}: expected one value an item ({n}), got {type(values).__name__} {values!r}"
        )
    found = list(values)
    if len(found) != n:
        raise InputError(f"{what}: expected {n} values, one an item, got {len(found)}")
    if any(isinstance(v, (list, tuple, dict, set)) or getattr(v, "ndim", 0) for v in found):
        raise InputError(f"{what}: expected one value an item, got lists of values")
    return np.array(["" if _missing(v) else _text(v) for v in found], dtype=np.str_)


def _single(values: Any) -> bool:
    """An array without axes, which holds one value and is no column."""
    return getattr(values, "ndim", 1) == 0


def no_id_twice(ids: np.ndarray, name: str) -> None:
    """Raise :class:`InputError` of a data set in which items share an id."""
    marks = hashes(ids)
    marks.sort()
    if not (marks[1:] == marks[:-1]).any():
        return
    found, count = np.unique(np.asarray(ids), return_counts=True)
    if (count > 1).any():
        raise InputError(
            f"{name}: {int((count > 1).sum())} ids occur more than once, first "
            f"{str(found[count > 1][0])!r}; every item needs an id of its own"
        )


def split_column(values: Iterable[Any], n: int) -> np.ndarray:
    """(N,) of train, val, test, or "" (None) everywhere."""
    column = text_column(values, n, "split")
    if odd := sorted(set(column.tolist()) - {"", *SPLITS}):
        raise InputError(f"split: {odd[0]!r} is none of {', '.join(SPLITS)}")
    return column


def encode(y: Any, n: int, task: str | None = None, classes: Sequence[str] = ()) -> Targets:
    """Targets of n items, from classes (N,), labels (N, C) of 0, 1 and unknown, or numbers (N,).

    One column of text, booleans or whole numbers is classes: those named by ``classes``, a number
    being the place in it, or else those that occur, in order (numbers as numbers). None, NaN and
    "" are unknown, as is -1 of several columns and, with ``classes``, of one. ``task``:
    ``regression`` and ``ordinal`` take numbers; without it fractions are refused, since classes and
    values cannot be told apart. A DataFrame's columns name the labels.

    Raises :class:`InputError` that says what was expected and what came.
    """
    if task is not None and task not in TASKS:
        raise InputError(f"task {task!r} is none of {', '.join(TASKS)}")
    if isinstance(classes, str):
        raise InputError(f"classes: expected a list of names, got the text {classes!r}")
    if isinstance(y, (str, bytes, Mapping, set)) or not hasattr(y, "__len__") or _single(y):
        raise InputError(f"y: expected one target an item ({n}), got {type(y).__name__} {y!r}")
    if not classes and hasattr(y, "columns"):
        classes = [str(c) for c in y.columns]
    try:
        array = np.asarray(y)
    except ValueError:
        raise InputError(f"y: the lists of labels of {n} items differ in length") from None
    if len(array) != n:
        raise InputError(f"y: expected {n} targets, one an item, got {len(array)}")
    if array.ndim == 2 and array.shape[1] == 1 and task != "multilabel":
        array, classes = array[:, 0], () if hasattr(y, "columns") else classes
    if array.ndim not in (1, 2):
        raise InputError(f"y: expected shape ({n},) or ({n}, labels), got {array.shape}")
    if (array.ndim == 2) != (task == "multilabel") and task is not None:
        raise InputError(f"y: a {task} target has another shape than {array.shape}")
    if array.ndim == 2:
        return _labels(array, classes)
    if task in ("regression", "ordinal"):
        return _numbers(array, task, classes)
    return _classes(array, classes)


def _labels(array: np.ndarray, classes: Sequence[str]) -> Targets:
    values = _floats(array)
    values = np.where(values == -1, np.nan, values)
    odd = values[~np.isin(values, (0, 1)) & ~np.isnan(values)]
    if len(odd):
        raise InputError(f"y: labels are 0, 1, or NaN where unknown; got {odd[0]:g}")
    names = tuple(classes) or tuple(f"label{i}" for i in range(array.shape[1]))
    if len(names) != array.shape[1]:
        raise InputError(f"classes: expected {array.shape[1]} names of labels, got {len(names)}")
    return Targets(values, "multilabel", names)


def _numbers(array: np.ndarray, task: str, classes: Sequence[str]) -> Targets:
    values = _floats(array)
    if np.isinf(values).any():
        raise InputError(f"y: item {int(np.flatnonzero(np.isinf(values))[0])} is infinite")
    if task == "regression":
        if classes:
            raise InputError("classes: a regression has none")
        return Targets(values, task, ())
    return _by_number(values, classes, "ordinal")


def _classes(array: np.ndarray, classes: Sequence[str]) -> Targets:
    if array.dtype.kind == "f" or (array.dtype.kind == "O" and _all_numbers(array)):
        values = _floats(array)
        fractions = values[~np.isnan(values) & (values != np.round(values))]
        if len(fractions):
            raise InputError(
                f"y: {fractions[0]:g} is no class; for values to be predicted give "
                "task='regression'"
            )
        return _by_number(values, classes, "multiclass")
    if array.dtype.kind in "iu":
        return _by_number(array.astype(float), classes, "multiclass")
    column = text_column(array.tolist(), len(array), "y")
    there = list(ordered({str(v) for v in column} - {""}))
    names = tuple(classes) or tuple(there)
    if unknown := sorted(set(there) - set(names)):
        raise InputError(f"y: {unknown[0]!r} is none of the classes {', '.join(names)}")
    code = {c: i for i, c in enumerate(names)}
    values = np.array([code.get(str(v), -1) for v in column], dtype=np.int64)
    return Targets(values, "multiclass", names)


def _by_number(values: np.ndarray, classes: Sequence[str], task: str) -> Targets:
    known = ~np.isnan(values) & ~((values == -1) & bool(classes))
    if (values[known] != np.round(values[known])).any():
        raise InputError(f"y: {task} targets are whole numbers")
    if classes:
        bad = values[known & ((values < 0) | (values >= len(classes)))]
        if len(bad):
            raise InputError(f"y: class {bad[0]:g}, but there are {len(classes)} names (0, 1, ...)")
        codes = np.where(known, np.nan_to_num(values), -1)
        return Targets(codes.astype(np.int64), task, tuple(classes))
    there = np.unique(values[known])
    codes = np.where(known, np.searchsorted(there, np.nan_to_num(values)), -1)
    return Targets(codes.astype(np.int64), task, tuple(f"{v:g}" for v in there))


def _floats(array: np.ndarray) -> np.ndarray:
    try:
        return np.array(
            [np.nan if _missing(v) else float(v) for v in array.reshape(-1).tolist()]
        ).reshape(array.shape)
    except (TypeError, ValueError):
        raise InputError(f"y: expected numbers, got {array.dtype} with text or objects") from None


def _all_numbers(array: np.ndarray) -> bool:
    return all(
        _missing(v) or (isinstance(v, (int, float)) and not isinstance(v, bool))
        for v in array.tolist()
    )


def _missing(value: Any) -> bool:
    return value is None or value is np.ma.masked or value != value


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))  # 3.0 of a column with gaps is 3
    return str(value)
