"""Intervals of a mean over tries: draws of few shots, or fits to several training sets."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from featprobe.stats.intervals import BOUNDS, NONE, NOWHERE, Intervals
from featprobe.stats.resampling import LEVEL

DRAWS, ONE_DRAW, FITS = "new draws too", "of this draw alone", "new training sets too"
SPLITS = "corrected resampled t over splits, new training sets too"


def with_draws(
    found: Intervals, values: Mapping[str, float], tries: Mapping[str, np.ndarray]
) -> Intervals:
    """The intervals under new patients, and under new draws of few shots.

    ``values``: metric -> mean over tries; ``tries``: metric -> values (T,). Of one try nothing is
    known of others, and the method says that it is of this draw alone.
    """
    if max(map(len, tries.values()), default=0) < 2:
        method = {n: m if m == NONE else f"{m}, {ONE_DRAW}" for n, m in found.method.items()}
        return found._replace(method=method)
    return _widened(found, values, tries, 0.0, DRAWS)


def with_training(
    found: Intervals, values: Mapping[str, float], tries: Mapping[str, np.ndarray],
    shared: float, same_test: bool,
) -> Intervals:  # fmt: skip
    """The intervals under new patients and new training sets, of a mean over repeats.

    ``shared``: see :func:`margin`. ``same_test``: all repeats test the same items, so that what
    is between them is not patients; otherwise each has a random split of its own.
    """
    if same_test:
        return _widened(found, values, tries, shared, FITS)
    ci = {
        n: of_splits(values[n], c, margin(tries[n], shared), BOUNDS[n.partition(":")[0]])
        for n, c in found.ci.items()
    }
    method = {n: m if m == NONE else SPLITS for n, m in found.method.items()}
    return found._replace(ci=ci, method=method)


def _widened(
    found: Intervals, values: Mapping[str, float], tries: Mapping[str, np.ndarray],
    shared: float, said: str,
) -> Intervals:  # fmt: skip
    ci = {
        n: with_tries(values[n], c, margin(tries[n], shared), BOUNDS[n.partition(":")[0]])
        for n, c in found.ci.items()
    }
    method = {n: NONE if math.isnan(ci[n][0]) else f"{m}, {said}" for n, m in found.method.items()}
    return found._replace(ci=ci, method=method)


def margin(tries: np.ndarray, shared: float = 0.0, level: float = LEVEL) -> float:
    """Half the t interval of the mean over T tries (T,), T - 1 degrees of freedom; NaN of one.

    ``shared``: what the tries have in common beyond independent ones, in variances of one try; the
    mean then has the variance s^2 (1 / T + shared). Draws apart from each other share nothing. The
    ratio of test to training patients is the correction for random splits, which overlap (Nadeau
    and Bengio 2003). For fits that each leave out d of n training patients it is (n - d) / d, as in
    a delete-d jackknife (Shao and Wu 1989).
    """
    from scipy.special import stdtrit

    tries = tries[~np.isnan(tries)]
    if len(tries) < 2:
        return math.nan
    error = math.sqrt(np.var(tries, ddof=1) * (1 / len(tries) + shared))
    return float(stdtrit(len(tries) - 1, (1 + level) / 2)) * error


def with_tries(
    value: float, patients: tuple[float, float], reach: float, bounds: tuple[float, float]
) -> tuple[float, float]:
    """The interval of a value under new patients and new tries, from that under new ``patients``
    and the :func:`margin` ``reach`` of the tries.

    Patients and tries are drawn apart from each other, so on each side the squares of both
    distances add up (MOVER, Zou and Donner 2008), and neither has to be symmetric; it ends at the
    ``bounds`` of the metric. NaN where either is.
    """
    low, high = patients
    ends = value - math.hypot(value - low, reach), value + math.hypot(high - value, reach)
    return _inside(ends, bounds)


def of_splits(
    value: float, patients: tuple[float, float], reach: float, bounds: tuple[float, float]
) -> tuple[float, float]:
    """The interval of a mean over random splits from their corrected :func:`margin` ``reach``.

    What is between splits is patients too, so that their interval is not added; but it is the least
    that is said, since splits that all reach the same (1.000) vary no further. A share keeps its
    distance from the ends on the logit scale.
    """
    low, high = patients
    ends = value - reach, value + reach
    room = (value - bounds[0]) * (bounds[1] - value)
    if math.isfinite(room) and room > 0 and reach > 0:
        width = bounds[1] - bounds[0]
        at = math.log((value - bounds[0]) / (bounds[1] - value))
        moved = (1 / (1 + math.exp(-at + s * reach * width / room)) for s in (1, -1))
        below, above = (bounds[0] + width * v for v in moved)
        ends = below, above
    return _inside((min(ends[0], low), max(ends[1], high)), bounds)


def _inside(ends: tuple[float, float], bounds: tuple[float, float]) -> tuple[float, float]:
    if math.isnan(ends[0]) or math.isnan(ends[1]):
        return NOWHERE
    return max(bounds[0], ends[0]), min(bounds[1], ends[1])
