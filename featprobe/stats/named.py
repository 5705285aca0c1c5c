"""The paired tests of two models by name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from featprobe.errors import InputError
from featprobe.scored import Scored
from featprobe.stats.delong import delong_test
from featprobe.stats.paired import mcnemar, permutation
from featprobe.stats.resampling import RESAMPLES

TESTS = ("permutation", "delong", "mcnemar")


class Tested(NamedTuple):
    """``difference`` of one model over another in the metric, and a two-sided ``p``."""

    difference: float
    p: float


def differ(
    one: Scored,
    other: Scored,
    metric: str,
    test: str = "permutation",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Tested:
    """Whether two models differ in a metric on the same items, in the same order.

    ``permutation``: of any metric, whole patients are swapped. ``delong``: of the AUROC of one
    class (``auroc:CLASS``, or ``auroc`` of two classes), by patient. ``mcnemar``: of accuracy,
    exact; it takes items as independent, so no patient may have two.

    Raises :class:`InputError` where the test is not of that metric or does not hold for the scores.
    """
    if test == "delong":
        return _delong(one, other, metric)
    if test == "mcnemar":
        return _mcnemar(one, other, metric)
    if test != "permutation":
        raise InputError(f"unknown test {test!r}: use one of {', '.join(TESTS)}")
    found = permutation(one, other, metric, resamples=resamples, seed=seed)
    return Tested(found.difference, found.p)


def _delong(one: Scored, other: Scored, metric: str) -> Tested:
    base, _, name = metric.partition(":")
    two = one.y.ndim == 1 and one.tries[0].shape[1] == 2
    column = one.classes.index(name) if name in one.classes else 1
    if base != "auroc" or not (name in one.classes or (two and not name)):
        raise InputError(f"DeLong's test is of the AUROC of one class: auroc:CLASS, not {metric!r}")
    if len(one.tries) > 1:
        raise InputError("DeLong's test is of one fit, not of a mean over tries or folds")
    truth = one.y == column if one.y.ndim == 1 else one.y[:, column]
    known = ~np.isnan(truth.astype(float))
    scores = [s.tries[0][known, column] for s in (one, other)]
    found = delong_test(truth[known] == 1, scores[0], scores[1], one.groups[known])
    return Tested(found.difference, found.p)


def _mcnemar(one: Scored, other: Scored, metric: str) -> Tested:
    if metric != "accuracy" or one.task not in ("multiclass", "ordinal"):
        raise InputError(f"McNemar's test is of the accuracy of classes, not {metric!r}")
    if one.patients < len(one.ids) or (one.rows is None and len(one.tries) > 1):
        raise InputError(
            "McNemar's test takes items as independent and decided once; here patients have "
            "several items, or items several tries: use the permutation test"
        )
    right = []
    for scored in (one, other):
        hit = np.empty(len(scored.ids), dtype=bool)
        for rows, p in scored.parts():
            hit[rows] = p.argmax(1) == scored.y[rows]
        right.append(hit)
    difference = one.mean([metric])[metric] - other.mean([metric])[metric]
    return Tested(difference, mcnemar(*right).exact)
