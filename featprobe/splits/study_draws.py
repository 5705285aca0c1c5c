"""Few-shot draws of published studies. Each takes train as the study orders it and counts no val.

A way to draw is made of the targets ``y`` (N,) or (N, C), ``groups`` (patients), the training
``rows``, ``ids`` and a seed; it is a function from shots and the number of the try to rows, a
sorted subset of ``rows``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from featprobe.core.errors import InputError
from featprobe.splits.assign import members
from featprobe.splits.shots import DRAWN

Draw = Callable[[int, int], np.ndarray]
ONCE = ("first", "spaced")  # where nothing is drawn, every try would be the same


def evenly(n: int, k: int) -> np.ndarray:
    """k of n places, evenly spaced from the first: ``round(i n / k)`` (RAD, arXiv 2312.02366).

    Raises :class:`InputError` unless k is 1 to n.
    """
    if not 0 < k <= n:
        raise InputError(f"{k} evenly spaced ones of {n}: give 1 to {n}")
    return np.arange(0, n, n / k).round().astype(np.int64)[:k]


def natural(text: str) -> list[str | int]:
    """A key that sorts names with numbers in them by their numbers: P2 before P10."""
    return [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", text)]


def spaced(
    y: np.ndarray, groups: np.ndarray, rows: np.ndarray, ids: np.ndarray | None, seed: int
) -> Draw:
    """So many items in all, evenly spaced in the order of their ids (RAD, but for NIH)."""
    order = rows if ids is None else rows[np.argsort(ids[rows], kind="stable")]

    def draw(shots: int, attempt: int) -> np.ndarray:
        return np.sort(order[evenly(len(order), min(shots, len(order)))])

    return draw


def first(
    y: np.ndarray, groups: np.ndarray, rows: np.ndarray, ids: np.ndarray | None, seed: int
) -> Draw:
    """The first patients by id of each class, all of their items (RAD's draw of NIH).

    A patient has a class where all his items have it. Of the first n patients of a class those that
    another class has taken are skipped, and none takes their place, so some classes have fewer.
    """
    names = sorted(set(groups[rows].tolist()), key=natural)
    place = {name: i for i, name in enumerate(names)}
    code = np.array([place[g] for g in groups[rows].tolist()], dtype=np.int64)
    of_class = [
        np.flatnonzero(np.bincount(code, ~member, minlength=len(names)) == 0)
        for member in members(y[rows])
    ]

    def draw(shots: int, attempt: int) -> np.ndarray:
        patients = np.unique(np.concatenate([found[:shots] for found in of_class]))
        if not len(patients):
            raise InputError("no patient has a class in all of his items: draw items instead")
        return np.sort(rows[np.isin(code, patients)])

    return draw


def dinov2(
    y: np.ndarray, groups: np.ndarray, rows: np.ndarray, ids: np.ndarray | None, seed: int
) -> Draw:
    """n items of each class by torch's generator under seed + try, in the order of rows
    (facebookresearch/dinov2, ``dinov2/eval/knn.py``). Raises :class:`InputError` for labels."""
    if y.ndim == 2:
        raise InputError("DINOv2's draws are of classes; these items have several labels")
    of_class = [np.flatnonzero(member) for member in members(y[rows])]

    def draw(shots: int, attempt: int) -> np.ndarray:
        import torch

        generator = torch.Generator().manual_seed(seed + attempt)
        chosen = [
            found[torch.randperm(len(found), generator=generator)[:shots].numpy()]
            for found in of_class
        ]
        return np.sort(rows[np.concatenate(chosen)])

    return draw


def _drawn(*_: object) -> Draw:
    raise AssertionError("featprobe.splits.shots.Draws draws at random")


DRAWS: dict[str, Callable[..., Draw]] = {
    DRAWN: _drawn, "first": first, "spaced": spaced, "dinov2": dinov2,
}  # fmt: skip
