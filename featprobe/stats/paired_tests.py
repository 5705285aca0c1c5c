"""Paired tests by name, each applied to all pairs of a family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.core.errors import InputError
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.delong import delong
from featprobe.stats.influence import influence
from featprobe.stats.maxt import Distribution, Family, Pairs, family, ratio, together
from featprobe.stats.paired import mcnemar
from featprobe.stats.resampling import LEVEL, RESAMPLES

TESTS = ("permutation", "delong", "mcnemar")
_DRAWN = 10_000  # of a normal distribution: cheap


def differ(
    models: Sequence[ItemScores], metric: str, pairs: Pairs, test: str = "permutation", *,
    resamples: int = RESAMPLES, seed: int = 0, shared: float = 0.0,
) -> Family:  # fmt: skip
    """Test whether pairs (i, j) of models differ in a metric on the same items in the same order.

    ``permutation``: of any metric, whole patients are swapped
    (:func:`~featprobe.stats.maxt.together`). ``delong``: of the AUROC of one class
    (``auroc:CLASS``, or ``auroc`` of two classes), by patient; p of t with one degree of freedom
    less than there are patients of the rarer kind, since the variance is estimated; the family by
    the largest of jointly distributed differences. ``mcnemar``: of accuracy, exact, the family by
    Bonferroni; it takes items as independent, so no patient may have two. ``shared``: of repeats,
    see :func:`~featprobe.stats.influence.influence`.

    Raises :class:`InputError` where the test is not of that metric or does not hold for the scores,
    and where items or tries are not the same.
    """
    if test not in TESTS:
        raise InputError(f"unknown test {test!r}: use one of {', '.join(TESTS)}")
    for other in models[1:]:
        _same(models[0], other)
    if test == "delong":
        return _delong(models, metric, pairs, seed)
    if test == "mcnemar":
        return _mcnemar(models, metric, pairs)
    return together(influence(models, metric, seed, shared), pairs, resamples=resamples, seed=seed)


def _same(one: ItemScores, other: ItemScores) -> None:
    rows = [(None if s.rows is None else len(s.rows)) for s in (one, other)]
    same = len(one.tries) == len(other.tries) and rows[0] == rows[1]
    same = same and all(map(np.array_equal, one.rows or (), other.rows or ()))
    if not same or not np.array_equal(one.ids, other.ids):
        raise InputError("a paired test needs the same items, in the same tries or folds, of both")


def _delong(models: Sequence[ItemScores], metric: str, pairs: Pairs, seed: int) -> Family:
    from scipy.special import stdtr, stdtrit

    one = models[0]
    base, _, name = metric.partition(":")
    two = one.y.ndim == 1 and one.tries[0].shape[1] == 2
    column = one.classes.index(name) if name in one.classes else 1
    if base != "auroc" or not (name in one.classes or (two and not name)):
        raise InputError(f"DeLong's test is of the AUROC of one class: auroc:CLASS, not {metric!r}")
    if len(one.tries) > 1:
        raise InputError("DeLong's test is of one fit, not of a mean over tries or folds")
    truth = one.y == column if one.y.ndim == 1 else one.y[:, column]
    known = ~np.isnan(truth.astype(float))
    positive, groups = truth[known] == 1, one.groups[known]
    area, covariance = delong(
        positive, np.stack([s.tries[0][known, column] for s in models]), groups
    )
    i, j = np.array(pairs).T
    variance = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
    reach = np.sqrt(np.where(variance > 1e-24, variance, 0.0))
    # areas of few positives are normal, their variance is not known: as many degrees of freedom
    freedom = min(len(np.unique(groups[positive])), len(np.unique(groups[~positive]))) - 1
    rng = np.random.default_rng([seed, 0xDE10])
    root = np.linalg.svd(covariance, hermitian=True)
    drawn = rng.normal(size=(_DRAWN, len(area))) * np.sqrt(root[1]) @ root[0].T
    drawn /= np.sqrt(rng.chisquare(freedom, size=(_DRAWN, 1)) / freedom)

    def statistics(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        moved = covariance[one, one] + covariance[other, other] - 2 * covariance[one, other]
        return ratio(drawn[:, one] - drawn[:, other], np.sqrt(np.where(moved > 1e-24, moved, 0)))

    difference = area[i] - area[j]
    p = 2 * stdtr(freedom, -ratio(difference, reach))
    alone = (p, np.full(len(p), stdtrit(freedom, (1 + LEVEL) / 2)))
    null = Distribution(statistics, exact=False)
    return family(difference, reach, null, pairs, variance, np.zeros(len(p)), alone)


def _mcnemar(models: Sequence[ItemScores], metric: str, pairs: Pairs) -> Family:
    one = models[0]
    if metric != "accuracy" or one.task not in ("multiclass", "ordinal"):
        raise InputError(f"McNemar's test is of the accuracy of classes, not {metric!r}")
    decided = sum(len(rows) for rows, _ in one.parts())
    if one.patients < len(one.ids) or decided > len(one.ids):
        raise InputError(
            "McNemar's test takes items as independent and decided once; here patients have "
            "several items, or items several tries: use the permutation test"
        )
    right = [np.empty(len(one.ids), dtype=bool) for _ in models]
    for hit, scored in zip(right, models):
        for rows, p in scored.parts():
            hit[rows] = p.argmax(1) == scored.y[rows]
    alone = [mcnemar(right[i], right[j]) for i, j in pairs]
    joint = [mcnemar(right[i], right[j], 1 - (1 - LEVEL) / len(pairs)) for i, j in pairs]
    b, c = np.array([[m.first, m.second] for m in alone]).T / len(one.ids)
    p = np.array([m.exact for m in alone])
    variance = (b + c - (b - c) ** 2) / len(one.ids)
    (low, high), (wide_low, wide_high) = (
        np.array([[m.low, m.high] for m in made]).T for made in (alone, joint)
    )
    return Family(
        b - c, np.sqrt(variance), p, low, high, np.minimum(1.0, len(pairs) * p), wide_low,
        wide_high, variance, np.zeros(len(p)), float("nan"),
    )  # fmt: skip
