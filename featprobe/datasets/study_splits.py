"""Rules by which published studies split data sets that have no official split, or another one.

Each gives (n,) train, val or test for n items (or patients) in the order that the study counts
them in. None looks at patients unless it is given patients: where a study divided some, the data
set says so when it is opened.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.splits.study_draws import evenly

if TYPE_CHECKING:
    import pandas


def strided(n: int, k: int) -> np.ndarray:
    """Every s-th of n places from the first, with s = n / k rounded up, so at most k (RAD)."""
    return np.arange(0, n, max(1, math.ceil(n / max(k, 1))))


def rad(n: int, test: int, val: int, total: int, step: bool = False) -> np.ndarray:
    """RAD's split: evenly spaced ``test`` ones, then of the others evenly spaced ``val``.

    The numbers are those of the ``total`` of the study; of another n, as of a part of the data set,
    the same shares. ``step``: spaced by a whole number (:func:`strided`).
    """
    if n < 3:
        raise InputError(f"{n} items or patients cannot be split into train, val and test")
    pick = strided if step else evenly
    out = np.full(n, "train", dtype="<U5")
    out[pick(n, max(1, round(test * n / total)))] = "test"
    rest = np.flatnonzero(out == "train")
    out[rest[pick(len(rest), max(1, round(val * len(rest) / (total - test))))]] = "val"
    return out


def by_patient(groups: Sequence[str], test: int, val: int, total: int) -> np.ndarray:
    """:func:`rad` of the patients, in the order of their first items: (N,) the part of each."""
    order = {g: i for i, g in enumerate(dict.fromkeys(groups))}
    return rad(len(order), test, val, total)[[order[g] for g in groups]]


def last_rows(names: Sequence[str], n: int, total: int) -> set[str]:
    """The last n names of a list of ``total``, of another list the same share: RAD's val of NIH."""
    return set(names[-max(1, round(n * len(names) / total)) :])


def shuffled(n: int, share: float, seed: int = 42) -> np.ndarray:
    """WACV's split of APTOS 2019 and ISIC 2019: n rows shuffled by Python's own generator; of the
    first ``share`` one half is val and the other test (joanaapa/Foundation-Medical)."""
    rows = list(range(n))
    random.Random(seed).shuffle(rows)
    held = int(n * share)
    out = np.full(n, "train", dtype="<U5")
    out[rows[: held // 2]] = "val"
    out[rows[held // 2 : held]] = "test"
    return out


def sorted_paths(paths: pandas.Series[Any] | Sequence[str]) -> np.ndarray:
    """WACV's split of CheXpert's train.csv: (N,) in the order of the table.

    Sorted by path, val and test are the first fifth and 15 rows, halved. The study cuts at the
    *labels* that rows have in the table, as pandas' ``loc`` does, whose bounds are inclusive: the
    row at each of its two cuts is in two parts there, and in the later one alone here. Of fewer
    than a thousand rows, which the official table is not, the 15 are left out.
    """
    order = np.argsort(np.asarray(paths, dtype=np.str_), kind="stable")
    n = len(order)
    place = np.empty(n, dtype=np.int64)  # of each row of the table in the order of paths
    place[order] = np.arange(n)
    held = int(0.2 * n) + (15 if n >= 1000 else 0)
    first = int(place[held])
    half = int((first + 1) / 2)
    second = int(place[half])
    if not 0 < second < first:
        raise InputError(
            f"the study's split of these {n} rows has no val: they are too few, or not in the "
            "order of their paths"
        )
    out = np.full(n, "train", dtype="<U5")
    out[order[:second]] = "val"
    out[order[second:first]] = "test"
    return out
