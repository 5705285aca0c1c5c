"""Curves, calibration and confusion from the scores of test items, with bands by patient."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from featprobe.core.errors import UnknownName, nearest
from featprobe.metrics.decisions import BINS, bin_of
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.sums import nan_mean, ratio
from featprobe.stats.confusion import check_decisions
from featprobe.stats.resampling import LEVEL, draws

RESAMPLES = 300  # a band is drawn, not read off: its ends are within a line's width
GRID = np.linspace(0.0, 1.0, 101)


class Band(NamedTuple):
    """``y`` over ``x`` (P,), with the pointwise 95 % of resamples of patients; NaN undefined."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Calibration(NamedTuple):
    """For each bin of the score that is not empty: its mean ``x``, the share ``y`` of what it says
    that is true, with 95 % of resamples of patients, and the share of items in it, ``weight``."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray


def roc(
    scored: ItemScores, of: str | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> Band:
    """Sensitivity over 1 - specificity, straight between two thresholds as scikit-learn's.

    ``of``: a class or label, one against the rest; by default the mean over all of them at each
    point (macro), of two classes the second. Means over tries or folds. The band is pointwise: the
    percentiles of the curves under resamples of patients.

    Raises :class:`InputError` for a regression or segmentation, :class:`UnknownName` for another
    class.
    """
    return _curve(scored, of, _roc, resamples, seed)


def precision_recall(
    scored: ItemScores, of: str | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> Band:
    """Precision over recall; at each recall that of the highest threshold that reaches it, since
    between two thresholds precision is not a line (Davis and Goadrich 2006). Otherwise as
    :func:`roc`.
    """
    return _curve(scored, of, _precision, resamples, seed)


def calibration(scored: ItemScores, *, resamples: int = RESAMPLES, seed: int = 0) -> Calibration:
    """How often what scores say is true, in the bins of the ECE.

    Of two classes the probability of the second; of several the highest one, against how often it
    is right; of labels that of each, all labels together. Tries or folds are pooled.
    """
    check_decisions(scored)
    p: list[np.ndarray] = []
    true: list[np.ndarray] = []
    code: list[np.ndarray] = []
    for rows, s in scored.parts():
        y = scored.y[rows]
        if y.ndim == 2:
            item, label = np.nonzero(~np.isnan(y))
            found = s[item, label], y[item, label] == 1, scored.code[rows][item]
        elif s.shape[1] == 2:
            found = s[:, 1], y == 1, scored.code[rows]
        else:
            found = s.max(1), s.argmax(1) == y, scored.code[rows]
        for out, value in zip((p, true, code), found):
            out.append(value)
    score, hit, of = np.concatenate(p), np.concatenate(true), np.concatenate(code)
    cell = bin_of(score)

    def shares(counts: np.ndarray) -> np.ndarray:
        weight = counts[of]
        n, right = (np.zeros((BINS, counts.shape[1])) for _ in range(2))
        np.add.at(n, cell, weight)
        np.add.at(right, cell, weight * hit[:, None])
        return ratio(right, n)

    size = np.bincount(cell, minlength=BINS)
    there = size > 0
    x = ratio(np.bincount(cell, weights=score, minlength=BINS), size)
    ends = _banded(shares, scored.patients, resamples, seed)
    y, low, high = (v[there] for v in ends)
    return Calibration(x[there], y, low, high, size[there] / len(score))


Points = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _curve(scored: ItemScores, of: str | None, points: Points, resamples: int, seed: int) -> Band:
    check_decisions(scored)
    wanted = _columns(scored, of)

    def curves(counts: np.ndarray) -> np.ndarray:
        tries = []
        for rows, s in scored.parts():
            y, weight = scored.y[rows], counts[scored.code[rows]]
            each = []
            for c in wanted:
                known = np.ones(len(y), bool) if y.ndim == 1 else ~np.isnan(y[:, c])
                positive = (y == c) if y.ndim == 1 else y[:, c] == 1
                each.append(points(positive[known], s[known, c], weight[known]))
            tries.append(nan_mean(np.stack(each)))
        return nan_mean(np.stack(tries))

    return Band(GRID, *_banded(curves, scored.patients, resamples, seed))


def _columns(scored: ItemScores, of: str | None) -> list[int]:
    columns = scored.tries[0].shape[1]
    if of is None:
        return [1] if scored.y.ndim == 1 and columns == 2 else list(range(columns))
    if of not in scored.classes:
        known = scored.classes
        raise UnknownName(f"no class {of!r}.{nearest(of, known)} There: {', '.join(known)}")
    return [scored.classes.index(of)]


def _banded(
    curves: Callable[[np.ndarray], np.ndarray], patients: int, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The curve (P,) itself, and the ends of its band."""
    y = curves(np.ones((patients, 1)))[:, 0]
    if patients < 2 or resamples < 2:
        return y, *np.full((2, len(y)), np.nan)
    rng = np.random.default_rng([seed, 0xBA4D])
    block = max(8, 200_000 // patients)
    drawn = np.concatenate([curves(c) for c in draws(patients, resamples, rng, block)], axis=1)
    ends = np.full((2, len(y)), np.nan)
    some = ~np.isnan(drawn).all(1)
    tail = (1 - LEVEL) / 2
    ends[:, some] = np.nanquantile(drawn[some], [tail, 1 - tail], axis=1)
    return y, *ends


def _cumulated(
    positive: np.ndarray, score: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(T + 1, B) true and false positives at each distinct score, from none to all."""
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(order) - 1]
    found = []
    for kind in (positive, ~positive):
        sums = np.cumsum(weight[order] * kind[order, None], axis=0)[last]
        found.append(np.concatenate([np.zeros((1, sums.shape[1])), sums]))
    return found[0], found[1]


def _roc(positive: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    if not len(score):
        return np.full((len(GRID), weight.shape[1]), np.nan)
    tp, fp = _cumulated(positive, score, weight)
    tpr, fpr = ratio(tp, tp[-1:]), ratio(fp, fp[-1:])
    out = np.full((len(GRID), weight.shape[1]), np.nan)
    for b in np.flatnonzero((tp[-1] > 0) & (fp[-1] > 0)):
        # several thresholds at one specificity: the curve is vertical, its top counts
        out[:, b] = np.interp(GRID, fpr[:, b], tpr[:, b])
    return out


def _precision(positive: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    out = np.full((len(GRID), weight.shape[1]), np.nan)
    if not len(score):
        return out
    tp, fp = (v[1:] for v in _cumulated(positive, score, weight))
    recall, precision = ratio(tp, tp[-1:]), ratio(tp, tp + fp)
    for b in np.flatnonzero(tp[-1] > 0):
        first = np.flatnonzero(tp[:, b] > 0)[0]  # above it no positive is found: no recall
        at = np.searchsorted(recall[:, b], GRID - 1e-12)
        out[:, b] = precision[np.maximum(at, first), b]
    return out
