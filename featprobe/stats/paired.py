"""McNemar's test of two models' decisions."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from featprobe.stats.resampling import LEVEL


class McNemar(NamedTuple):
    """``first``: items that only the first model got right, ``second``: only the second; ``exact``
    two-sided binomial p, ``corrected``: p of chi-squared with continuity correction; ``low``,
    ``high``: interval of the difference in accuracy that belongs to ``exact``, NaN without any item
    on which they differ."""

    first: int
    second: int
    exact: float
    corrected: float
    low: float
    high: float


def mcnemar(right_one: np.ndarray, right_other: np.ndarray, level: float = LEVEL) -> McNemar:
    """McNemar's test of the decisions (N,) bool, right or wrong, of two models on the same items.

    ``exact``: binomial with probability 1/2 of the samples on which they disagree; ``corrected``:
    (|b - c| - 1) squared over b + c against chi-squared of one degree of freedom (Edwards 1948).
    The interval is that of Clopper and Pearson (1934) for the share of disagreements that the first
    one wins, times how many there are: it excludes zero if and only if ``exact`` is below
    1 - ``level``. All takes samples as independent: with several of a patient use
    :func:`~featprobe.stats.maxt.together`.
    """
    from scipy.special import bdtr, betaincinv

    b = int((right_one & ~right_other).sum())
    c = int((~right_one & right_other).sum())
    n, tail = b + c, (1 - level) / 2
    if n == 0:
        return McNemar(0, 0, 1.0, 1.0, math.nan, math.nan)
    exact = min(1.0, 2 * float(bdtr(min(b, c), n, 0.5)))
    statistic = max(abs(b - c) - 1, 0) ** 2 / n
    share = (
        betaincinv(b, c + 1, tail) if b else 0.0,
        betaincinv(b + 1, c, 1 - tail) if c else 1.0,
    )
    low, high = ((2 * float(s) - 1) * n / len(right_one) for s in share)
    return McNemar(b, c, exact, math.erfc(math.sqrt(statistic / 2)), low, high)
