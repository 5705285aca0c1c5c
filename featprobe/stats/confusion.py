"""How often items of one class are decided to be another, with intervals by patient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from featprobe.core.errors import InputError
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.sums import Sums, ratio
from featprobe.stats.intervals import share
from featprobe.stats.resampling import RESAMPLES, block_size, draws


class ConfusionMatrix(NamedTuple):
    """Rows are true, columns decided. ``counts``: items (:func:`confusion`); ``share`` of the row,
    ``low`` and ``high`` its 95 % interval (Wilson's, with effective patients), NaN in a row without
    items. (C, C) each; of labels (C, 2, 2), absent and present, decided at 0.5."""

    counts: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def has_decisions(task: str) -> bool:
    """Whether scores of the task are of classes or labels, one column each."""
    return task in ("multiclass", "ordinal", "multilabel")


def check_decisions(scored: ItemScores) -> None:
    """Raise :class:`InputError` for a regression or segmentation."""
    if not has_decisions(scored.task):
        raise InputError(
            f"{scored.task} has neither ROC, calibration of decisions nor confusion: they are of "
            "classes and labels"
        )


def confusion(scored: ItemScores) -> np.ndarray:
    """(C, C) items of the class of the row that are decided to be the class of the column, the mean
    over tries, the sum over folds. Of labels (C, 2, 2): absent and present, decided at 0.5.

    Raises :class:`InputError` for a regression or segmentation.
    """
    check_decisions(scored)
    total = _Cells(scored)(np.ones((scored.patients, 1)))[..., 0]
    tested = sum(len(rows) for rows, _ in scored.parts())
    return np.asarray(total * len(scored.ids) / tested)


def confusion_matrix(
    scored: ItemScores, *, resamples: int = RESAMPLES, seed: int = 0
) -> ConfusionMatrix:
    """:func:`confusion` with the share of each row and its interval under new patients.

    The interval rests on the patients who have an item of the row's class
    (:func:`~featprobe.stats.intervals.share`). Raises as :func:`confusion`.
    """
    counts, cells = confusion(scored), _Cells(scored)
    rng = np.random.default_rng([seed, 0xC0F])
    block = block_size(len(scored.ids), resamples)
    drawn = np.concatenate(
        [cells(c) for c in draws(scored.patients, resamples, rng, block)], axis=-1
    )
    values = ratio(drawn, drawn.sum(-2, keepdims=True))
    shares = ratio(counts, counts.sum(-1, keepdims=True))
    low, high = np.full((2, *counts.shape), np.nan)
    for at in np.ndindex(counts.shape):
        row = _of_row(scored, at)
        if len(row):
            found = share(float(shares[at]), values[at], scored.patients, float(len(row)))
            low[at], high[at] = found
    return ConfusionMatrix(counts, shares, low, high)


def _of_row(scored: ItemScores, at: tuple[int, ...]) -> np.ndarray:
    """The patients with an item that is truly of the row of a cell."""
    y = scored.y
    of = y == at[0] if y.ndim == 1 else y[:, at[0]] == at[1]
    return np.unique(scored.code[of])


class _Cells:
    """Counts (G, B) of patients to cells (C, C, B) or (C, 2, 2, B), the sum over tries."""

    def __init__(self, scored: ItemScores) -> None:
        self._sums, several = [], scored.y.ndim == 2
        classes = scored.tries[0].shape[1]
        self._shape = (classes, 2, 2) if several else (classes, classes)
        for rows, p in scored.parts():
            y = scored.y[rows]
            if several:
                item, label = np.nonzero(~np.isnan(y))
                cell = 4 * label + 2 * (y[item, label] == 1) + (p[item, label] >= 0.5)
            else:
                item, cell = np.arange(len(y)), y * classes + p.argmax(1)
            sums = Sums(scored.code[rows], scored.patients)
            sums.add("cell", row=cell, rows=int(np.prod(self._shape)), sample=item)
            self._sums.append(sums)

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        total = sum(sums(counts)["cell"] for sums in self._sums)
        return np.asarray(total).reshape(*self._shape, counts.shape[1])
