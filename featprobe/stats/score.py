"""Score-type intervals: the values of a metric from which what was found is not too far away.

The variance is taken at each candidate value and not at the estimate, so that an interval neither
leaves the range of the metric nor becomes one point where everything was right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

LEVEL = 0.95
Counts = float | np.ndarray
_HALVINGS = 40  # of the range of a metric: 1e-12


def reach(degrees: float, level: float = LEVEL) -> float:
    """Half-width of an interval in standard errors: a quantile of t with at least one degree."""
    from scipy.special import stdtrit

    return float(stdtrit(max(degrees, 1.0), (1 + level) / 2))


def wilson(share: float, trials: float, z: float) -> tuple[float, float]:
    """Wilson's interval of a proportion; the number of independent ``trials`` may be fractional.

    Wilson 1927; with an effective number of trials it is that of clustered proportions (Korn and
    Graubard 1998 use it with the exact interval). ``z``: see :func:`reach`.
    """
    slack = z * z / trials
    middle = (share + slack / 2) / (1 + slack)
    half = z / (1 + slack) * math.sqrt(share * (1 - share) / trials + slack / trials / 4)
    # at the ends of the range the formula is exact but for rounding
    low = 0.0 if share <= 0 else max(0.0, middle - half)
    return low, 1.0 if share >= 1 else min(1.0, middle + half)


def area_variance(area: float, positive: Counts, negative: Counts) -> Any:
    """Variance of an area under the ROC curve of so many independent positives and negatives.

    Hanley and McNeil 1982, for exponential scores, with both n - 1 replaced by their mean so that
    it does not depend on which class is called positive (Newcombe 2006, method 5).
    """
    more = (positive + negative) / 2 - 1
    pairs = 1 + more * (1 - area) / (2 - area) + more * area / (1 + area)
    return area * (1 - area) * pairs / (positive * negative)


def score_interval(
    value: float, variance: Callable[[float], float], z: float
) -> tuple[float, float]:
    """Invert a score test: all v in [0, 1] with (value - v)^2 <= z^2 variance(v), by bisection.

    ``variance``: zero at 0 and 1, as a binomial's. With ``v (1 - v) / n`` it is Wilson's interval.
    """

    def end(outer: float) -> float:
        inner, far = value, outer
        for _ in range(_HALVINGS):
            middle = (inner + far) / 2
            if (value - middle) ** 2 > z * z * variance(middle):
                far = middle
            else:
                inner = middle
        return inner

    return end(0.0), end(1.0)
