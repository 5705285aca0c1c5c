"""The labels of a table: which texts mean unknown, uncertain, present, absent, or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.class_order import ordered
from featprobe.datasets.read_options import ReadOptions
from featprobe.datasets.targets import Labelled, add_text, blank, one_spelling

if TYPE_CHECKING:
    import pandas

PRESENT = ("1", "1.0", "true", "yes", "y", "positive", "pos", "present")
ABSENT = ("0", "0.0", "false", "no", "n", "negative", "neg", "absent")
UNCERTAIN_TEXTS = ("-1", "-1.0", "uncertain", "u", "equivocal")
SEPARATORS = ("|", ";", ",")
_POLICY = {"ignore": np.nan, "zeros": 0.0, "ones": 1.0, "own": 0.0}


def is_binary(values: Sequence[str], missing: Sequence[str] = ()) -> bool:
    """Whether a column holds present and absent only, beside unknown and uncertain."""
    known = {v.lower() for v in blank(values, missing)[0] if v} - set(UNCERTAIN_TEXTS)
    return bool(known) and known <= {*PRESENT, *ABSENT}


def set_labels(
    path: Path,
    table: pandas.DataFrame,
    data: Labelled,
    columns: Sequence[str],
    reading: ReadOptions,
) -> list[str]:
    """Set targets from the columns of labels; returns notes about them.

    One column is of classes (or of ``reading.task``), -1 beside 0 and 1 being uncertain, or of
    several labels a cell where ``reading.separator`` parts them, or ``|`` does and its parts recur.
    Several columns are labels of present, absent, uncertain and unknown, or with the task
    multiclass one-hot. Raises :class:`InputError` with the row for every other value, and for an
    option that changes nothing.
    """
    _check_missing(path, table, columns, reading)
    values = {c: blank(table[c].tolist(), reading.missing, reading.task)[0] for c in columns}
    first = columns[0]
    separator = _separator(path, first, values[first], reading) if len(columns) == 1 else None
    if separator is not None:
        return _sets(data, first, values[first], separator)
    if len(columns) > 1 or reading.task == "multilabel":
        return _matrix(path, table, data, columns, reading)
    if reading.separator is not None:
        raise InputError(f"{path}: --separator is for one column of labels, not {len(columns)}")
    texts = table[first].tolist()
    marks = _marks(texts, reading)
    notes = []
    if marks and reading.task in (None, "multiclass"):
        n = sum(t.lower() in marks for t in texts)
        texts = _settled(path, first, texts, marks, reading)
        notes = [f"{n} values are uncertain: {_policy_in_words(reading.uncertain or 'ignore')}"]
    elif reading.uncertain is not None:
        raise InputError(
            f"{path}: --uncertain changes nothing: column {first!r} does not hold -1 beside 0 "
            "and 1; --missing VALUE... says which texts mean unknown"
        )
    notes += add_text(data, texts, path, reading.task, reading.missing)
    return [f"column {first!r}: {t}" for t in notes]


def _check_missing(
    path: Path, table: pandas.DataFrame, columns: Sequence[str], reading: ReadOptions
) -> None:
    there = {v for c in columns for v in table[c]}
    for notes in reading.missing:
        if notes and notes.strip() not in there:
            raise InputError(
                f"{path}: --missing {notes!r} occurs in no column of labels ({', '.join(columns)})"
            )


def _marks(texts: Sequence[str], reading: ReadOptions) -> set[str]:
    """The texts of uncertainty in a column that else is of 0 and 1; none where it is not."""
    missing = {m.lower() for m in reading.missing}
    marks = {t.lower() for t in texts} & set(UNCERTAIN_TEXTS) - missing
    rest = [t for t in texts if t.lower() not in marks]
    return marks if is_binary(rest, reading.missing) else set()


def _settled(
    path: Path, column: str, texts: Sequence[str], marks: set[str], reading: ReadOptions
) -> list[str]:
    """One column of 0, 1 and -1 with -1 made what the policy says."""
    rest = {t.lower() for t in texts} - marks
    if not rest & set(ABSENT) and reading.uncertain is None:
        raise InputError(
            f"{path}: column {column!r} holds 1 and {' and '.join(sorted(marks))} only: absent "
            "(--uncertain zeros), a class of its own (own), or unknown (ignore)?"
        )
    find = {"zeros": (ABSENT, "0"), "ones": (PRESENT, "1")}.get(reading.uncertain or "")
    value = {"own": "uncertain"}.get(reading.uncertain or "", "")
    if find:
        value = next((t for t in texts if t.lower() in find[0]), find[1])
    return [value if t.lower() in marks else t for t in texts]


def _separator(path: Path, column: str, values: list[str], reading: ReadOptions) -> str | None:
    """What parts several labels in a cell, None where each is one."""
    requested = reading.separator
    if requested is not None:
        if reading.task not in (None, "multilabel"):
            raise InputError(f"{path}: --separator makes several labels, not --task {reading.task}")
        if not any(requested in v for v in values):
            raise InputError(
                f"{path}: --separator {requested!r} occurs nowhere in column {column!r}"
            )
        return requested
    if reading.task not in (None, "multilabel"):
        return None
    unique = {v for v in values if v}
    for sep in SEPARATORS:
        joined = [v for v in unique if sep in v]
        parts = [p.strip() for v in joined for p in set(v.split(sep))]
        counts = Counter([*parts, *(unique - set(joined))])
        recur = any(counts[p] > 1 for p in parts)
        if sep == "|" and recur:
            return sep
        if joined and (recur or sep == "|"):
            raise InputError(
                f"{path}: column {column!r} holds {joined[0]!r}: several labels "
                f"(--separator {sep!r}), or one class (--task multiclass)?"
            )
    return None


def _sets(data: Labelled, column: str, values: list[str], separator: str) -> list[str]:
    """Several labels a cell as 0 and 1; a blank cell is unknown for all of them."""
    cells = [[p.strip() for p in v.split(separator) if p.strip()] for v in values]
    names = one_spelling(sorted({p for c in cells for p in c}))
    spelt = dict(zip(sorted({p for c in cells for p in c}), names))
    data.classes, data.task = ordered(names), "multilabel"
    place = {c: j for j, c in enumerate(data.classes)}
    data.targets = np.zeros((len(values), len(place)))
    for i, cell in enumerate(cells):
        data.targets[i] = np.nan if not cell else 0
        for part in cell:
            data.targets[i, place[spelt[part]]] = 1
    notes = [f"column {column!r}: {separator!r} parts several labels in a cell"]
    empty = sum(not c for c in cells)
    return notes + ([f"column {column!r}: {empty} cells are blank: unknown"] if empty else [])


def _matrix(
    path: Path,
    table: pandas.DataFrame,
    data: Labelled,
    columns: Sequence[str],
    reading: ReadOptions,
) -> list[str]:
    """Columns of present, absent, uncertain and unknown as (N, C) of 1, 0 and NaN."""
    policy = reading.uncertain or "ignore"
    out = np.empty((len(table), len(columns)))
    unsure = np.zeros(out.shape, dtype=bool)
    line = []
    for j, column in enumerate(columns):
        texts = table[column].tolist()
        unknown = blank(texts, reading.missing)[0]
        marks = set(UNCERTAIN_TEXTS) - {m.lower() for m in reading.missing}
        for i, (notes, known) in enumerate(zip(texts, unknown)):
            low = notes.lower()
            unsure[i, j] = low in marks
            if low in (*PRESENT, *ABSENT):
                out[i, j] = low in PRESENT
            elif unsure[i, j]:
                out[i, j] = _POLICY[policy]
            elif not known:
                out[i, j] = np.nan
            else:
                row = int(str(table.index[i])) + 2
                raise InputError(
                    f"{path}: row {row}: {column!r} is {notes!r}; a multi-label column holds 0, 1, "
                    "-1 (uncertain) or nothing (unknown); --missing VALUE... names what else means "
                    "unknown, --label COLUMN... other columns"
                )
        unsaid = [t for t, k in zip(texts, unknown) if t and not k]
        written = Counter(t for t in unsaid if t.lower() not in marks)
        if written:
            shown = ", ".join(f"{t!r} {k}" for t, k in written.items())
            line.append(f"column {column!r}: {written.total()} values are unknown: {shown}")
        n = int(unsure[:, j].sum())
        if n:
            line.append(f"column {column!r}: {n} values are uncertain: {_policy_in_words(policy)}")
    if reading.uncertain is not None and not unsure.any():
        raise InputError(f"{path}: --uncertain changes nothing: no column of labels holds -1")
    names = list(columns)
    if policy == "own":
        own = np.flatnonzero(unsure.any(0)).tolist()
        out = np.concatenate([out, unsure[:, own].astype(float)], 1)
        names += [f"{columns[j]} (uncertain)" for j in own]
    if reading.task == "multiclass":
        return line + _one_hot(path, data, out, names)
    if reading.task not in (None, "multilabel"):
        raise InputError(
            f"{path}: --task {reading.task} is of one column, not of {', '.join(columns)}"
        )
    data.targets, data.task, data.classes = out, "multilabel", tuple(names)
    if len(columns) > 2 and (out.sum(1) == 1).all():
        line.append("each row has exactly one 1: --task multiclass makes the columns classes")
    return line


def _policy_in_words(policy: str) -> str:
    means = {
        "ignore": "unknown", "zeros": "absent", "ones": "present", "own": "a label of their own",
    }  # fmt: skip
    return f"taken as {means[policy]} (--uncertain zeros, ones, ignore or own)"


def _one_hot(path: Path, data: Labelled, marks: np.ndarray, names: Sequence[str]) -> list[str]:
    twice = np.flatnonzero((marks == 1).sum(1) > 1)
    if len(twice):
        raise InputError(f"{path}: row {twice[0] + 2} is of more than one class")
    known = (marks == 1).any(1)
    data.targets = np.where(known, (marks == 1).argmax(1), -1)
    data.classes, data.task = tuple(names), "multiclass"
    return [] if known.all() else [f"{int((~known).sum())} rows have no 1: unknown"]
