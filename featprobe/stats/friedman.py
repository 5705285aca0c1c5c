"""Ranks over several data sets, and tests of them."""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np

from featprobe.core.errors import InputError
from featprobe.stats.resampling import LEVEL

EXACT = 13  # differences of which all flips of signs are counted


class Friedman(NamedTuple):
    """Ranks of K models on N data sets, 1 the best, ties at their middle.

    ``ranks`` (K, N); ``mean`` (K,) with its ``low`` and ``high`` (K,), 95 % by t over the data
    sets, within 1 .. K; ``statistic`` and ``p`` of Friedman's test, NaN with two models or fewer.
    """

    ranks: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    statistic: float
    p: float


def friedman(values: np.ndarray) -> Friedman:
    """Friedman's test (1937) of K models on N data sets; ``values`` (K, N), higher is better.

    Chi-squared with K - 1 degrees of freedom, corrected for ties, as
    ``scipy.stats.friedmanchisquare`` has it. Raises :class:`InputError` for values that are not
    there and for fewer than two models or data sets.
    """
    from scipy.special import stdtrit
    from scipy.stats import friedmanchisquare, rankdata

    k, n = values.shape
    if k < 2 or n < 2:
        raise InputError(f"ranks over data sets need two models and two data sets, not {k} and {n}")
    if np.isnan(values).any():
        raise InputError("ranks over data sets need a value of every model on every data set")
    ranks = rankdata(-values, axis=0)
    mean = ranks.mean(1)
    reach = stdtrit(n - 1, (1 + LEVEL) / 2) * ranks.std(1, ddof=1) / math.sqrt(n)
    statistic = p = math.nan
    if k > 2 and np.ptp(ranks, axis=0).any():  # where all are equal there is nothing to test
        statistic, p = map(float, friedmanchisquare(*values))
    return Friedman(
        ranks, mean, np.maximum(mean - reach, 1), np.minimum(mean + reach, k), statistic, p
    )


def critical_difference(models: int, sets: int, level: float = LEVEL) -> float:
    """By how much mean ranks must differ to count, all pairs at once (Nemenyi 1963; Demsar 2006).

    The quantile of the studentized range of ``models`` over sqrt(2), times the standard error of a
    difference, sqrt(K (K + 1) / (6 N)).
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(level, models, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(models * (models + 1) / (6 * sets))


def nemenyi(mean: np.ndarray, sets: int) -> np.ndarray:
    """(K, K) p of Nemenyi's test for mean ranks (K,) over ``sets`` data sets; 1 on the diagonal."""
    from scipy.stats import studentized_range

    k = len(mean)
    error = math.sqrt(k * (k + 1) / (6 * sets))
    apart = np.abs(mean[:, None] - mean) / error * math.sqrt(2)
    unique, place = np.unique(apart.round(12), return_inverse=True)
    p = np.array([float(studentized_range.sf(q, k, np.inf)) if q else 1.0 for q in unique])
    return np.clip(p[place].reshape(k, k), 0.0, 1.0)


def wilcoxon_holm(values: np.ndarray) -> np.ndarray:
    """(K, K) p of Wilcoxon's signed-rank tests of all pairs over the data sets, corrected by Holm.

    ``values`` (K, N). Holm 1979: the i-th smallest of m is multiplied by m - i + 1, never less than
    those before. Recommended over Nemenyi's test by Benavoli, Corani and Mangili (2016), since
    other models do not bear on a pair.
    """
    k = len(values)
    pairs = list(combinations(range(k), 2))
    alone = np.array([signed_rank(values[i] - values[j]) for i, j in pairs])
    order = np.argsort(alone, kind="stable")
    grown = alone[order] * np.arange(len(pairs), 0, -1)
    joint = np.empty(len(pairs))
    joint[order] = np.minimum(np.maximum.accumulate(grown), 1.0)
    out = np.ones((k, k))
    for (i, j), p in zip(pairs, joint):
        out[i, j] = out[j, i] = p
    return out


def signed_rank(difference: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test (1945) of differences (N,), without zeros.

    All flips of signs are counted up to :data:`EXACT` differences, ties or not; what
    ``scipy.stats.wilcoxon`` gives of as many, in a thousandth of its time where some tie. Of more
    it is scipy's. 1 where nothing differs.
    """
    from scipy.stats import rankdata, wilcoxon

    moved = difference.round(12)  # 0.9 - 0.8 is not 0.8 - 0.7 to the last bit
    moved = moved[moved != 0]
    n = len(moved)
    if not n:
        return 1.0
    if n > EXACT:
        return float(wilcoxon(moved).pvalue)
    ranks = rankdata(np.abs(moved))
    flips = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    sums, total = (2 * flips - 1) @ ranks, abs(np.sign(moved) @ ranks)
    return float((np.abs(sums) >= total - 1e-9).mean())


def wins(values: np.ndarray) -> np.ndarray:
    """(K, K) on how many data sets the model of the row is better than that of the column, equal
    ones counted half; NaN on the diagonal. ``values`` (K, N), more being better."""
    one, other = values[:, None, :], values[None, :, :]
    out = (one > other).sum(2) + (one == other).sum(2) / 2
    np.fill_diagonal(out, np.nan)
    return out


def cliques(mean: np.ndarray, p: np.ndarray, level: float = LEVEL) -> list[tuple[int, int]]:
    """First and last of the groups of models, in the order of their mean ranks, that tests do not
    tell apart: no pair of a group has p below 1 - level. Only the largest groups, none of one."""
    order = np.argsort(mean, kind="stable")
    alike = p[np.ix_(order, order)] >= 1 - level
    out: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and alike[first : last + 2, first : last + 2].all():
            last += 1
        if last > first and (not out or last > out[-1][1]):
            out.append((first, last))
    return out
