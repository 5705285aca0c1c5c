"""Whether two models differ on the same samples, and corrections for asking it often."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from featprobe import metrics
from featprobe.errors import InputError
from featprobe.scored import Scored
from featprobe.stats.resampling import RESAMPLES, block_size, interval

EXACT = 12  # patients: their 2 ** 12 ways to be swapped are enumerated
_SAME = 1e-12  # differences that only rounding tells apart


class Permutation(NamedTuple):
    """``difference`` of one model over another, two-sided ``p``; ``exact`` where all swaps were
    enumerated."""

    difference: float
    p: float
    exact: bool


class Paired(NamedTuple):
    """``low``, ``high`` of a bootstrapped difference, and its two-sided ``p``."""

    low: float
    high: float
    p: float


class McNemar(NamedTuple):
    """``first``: items that only the first model got right, ``second``: only the second; ``exact``
    two-sided binomial p, and ``corrected``: p of chi-squared with continuity correction."""

    first: int
    second: int
    exact: float
    corrected: float


def permutation(
    one: Scored,
    other: Scored,
    metric: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    enough: int | None = None,
) -> Permutation:
    """Paired permutation test of a metric: the scores of whole patients are swapped between models.

    Under the null hypothesis it does not matter which model scored a patient. For metrics that see
    ranks alone it is the ranks within each model that are swapped (Venkatraman and Begg 1996): two
    models' scores may be on different scales, and p then does not depend on these. A swapped metric
    is that of both models' samples with weights of 0 and 1, so that all swaps are one weighted one.
    With at most :data:`EXACT` patients all swaps are enumerated; otherwise ``resamples`` are drawn
    and p = (1 + how many differ at least as much) / (1 + resamples), which is never zero (Phipson
    and Smyth 2010). With ``enough``, no more are drawn once so many differ at least as much, and p
    is their share of those drawn (Besag and Clifford 1991): what is clearly no difference costs
    little.

    ``one`` and ``other`` have the same items in the same order and the same tries; raises
    :class:`InputError` where not.
    """
    if metrics.about(metric).ranks:
        one, other = _ranked(one), _ranked(other)
    measure = _both(one, other).measure([metric])
    n = one.patients

    def differences(swap: np.ndarray) -> np.ndarray:
        kept = 1.0 - swap
        first = measure(np.concatenate([kept, swap]))[metric]
        return first - measure(np.concatenate([swap, kept]))[metric]

    observed = float(differences(np.zeros((n, 1)))[0])
    exact = n <= EXACT
    rng = np.random.default_rng([seed, 0x5A4B])
    block = block_size(2 * len(one.ids), resamples)
    total = 2 ** (n - 1) if exact else resamples
    extreme = 0
    for start in range(0, total, block):
        at = np.arange(start, min(start + block, total))
        # swapping everybody but some is swapping those: the last patient never has to be
        swap = (at >> np.arange(n)[:, None]) & 1 if exact else rng.integers(0, 2, (len(at), n)).T
        as_far = np.abs(differences(swap.astype(float))) >= abs(observed) - _SAME
        if enough and not exact and extreme + as_far.sum() >= enough:
            drawn = start + int(np.flatnonzero(as_far)[enough - extreme - 1]) + 1
            return Permutation(observed, enough / drawn, False)
        extreme += int(as_far.sum())
    p = extreme / total if exact else (1 + extreme) / (1 + total)
    return Permutation(observed, 1.0 if math.isnan(observed) else p, exact)


def _ranked(scored: Scored) -> Scored:
    """With the ranks of each column's scores, from 0 to 1, instead of them."""
    from scipy.stats import rankdata

    return replace(scored, tries=[rankdata(p, axis=0) / max(1, len(p)) for p in scored.tries])


def _both(one: Scored, other: Scored) -> Scored:
    """The samples of both models in one, each patient of ``other`` as another patient."""
    same = len(one.tries) == len(other.tries) and all(
        np.array_equal(a, b) for a, b in zip(one.rows or (), other.rows or ())
    )
    if not same or not np.array_equal(one.ids, other.ids):
        raise InputError("a paired test needs the same items, in the same tries or folds, of both")
    n = len(one.ids)
    rows = [np.concatenate([r, r + n]) for r, _ in one.parts()]
    tries = [np.concatenate(pair) for pair in zip(one.tries, other.tries)]
    groups = np.concatenate([one.code, one.code + one.patients])
    y = np.concatenate([one.y, other.y])
    ids = np.concatenate([one.ids, other.ids])
    return Scored(one.task, ids, y, groups, tries, rows, one.classes)


def paired(one: np.ndarray, other: np.ndarray, patients: int) -> Paired:
    """Interval and p of a difference, from bootstrap values of two models on the same resamples.

    p is twice the smaller share of resamples on one side of zero (that of the percentile interval
    which ends there), both counted with one more, at most 1.
    """
    difference = one - other
    difference = difference[~np.isnan(difference)]
    low, high = interval(difference, patients)
    if not len(difference):
        return Paired(low, high, 1.0)
    side = min((difference <= _SAME).sum(), (difference >= -_SAME).sum())
    return Paired(low, high, min(1.0, 2 * (1 + int(side)) / (1 + len(difference))))


def mcnemar(right_one: np.ndarray, right_other: np.ndarray) -> McNemar:
    """McNemar's test of two models' decisions (N,) bool, right or not, on the same samples.

    ``exact``: binomial with probability 1/2 of the samples on which they disagree; ``corrected``:
    (|b - c| - 1) squared over b + c against chi-squared of one degree of freedom (Edwards 1948). It
    takes samples as independent: with several of a patient use :func:`permutation`.
    """
    from scipy.special import bdtr

    b = int((right_one & ~right_other).sum())
    c = int((~right_one & right_other).sum())
    if b + c == 0:
        return McNemar(0, 0, 1.0, 1.0)
    exact = min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5)))
    statistic = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    return McNemar(b, c, exact, math.erfc(math.sqrt(statistic / 2)))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment (1979) of p values (n,) of one family, in their order.

    The i-th smallest is multiplied by n - i + 1 and is at least the one before, at most 1; those at
    or below alpha are rejected with family-wise error alpha.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(steps, 1.0)
    return out
