"""Intervals of a mean over tries: draws of few shots, or fits to several training sets."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.intervals import NONE, NOWHERE, Intervals, bounds_of, weighted_by_errors
from featprobe.stats.score import reach
from featprobe.stats.support import Support

ONE_DRAW = "of this draw alone"
DRAWS = "t over draws and patient bootstrap"
SEEDS = "t over seeds and patient bootstrap"
FITS = "t over training sets (delete-d jackknife) and patient bootstrap"
SPLITS = "corrected resampled t over splits"
_NOTHING = 1e-30  # variances of rounding

Ends = tuple[float, float]


def over_draws(
    scored: ItemScores, found: Intervals, values: Mapping[str, float],
    tries: Mapping[str, np.ndarray], boot: Mapping[str, np.ndarray], kind: str = DRAWS,
) -> Intervals:  # fmt: skip
    """The intervals of a few-shot run under new patients and new draws, from those ``found`` under
    new patients.

    ``values``: metric -> mean over tries; ``tries``: metric -> values (T,); ``boot``: metric ->
    values (B,) of the mean under resamples of patients. Of one try nothing is known of others, and
    the method says that it is of this draw alone. ``kind``: the method, of fits under several
    seeds another name for the same.
    """
    if len(scored.tries) < 2:
        method = {n: m if m == NONE else f"{m}, {ONE_DRAW}" for n, m in found.method.items()}
        return found._replace(method=method)
    return _joined(scored, found, values, tries, boot, 0.0, kind)


def over_training(
    scored: ItemScores, found: Intervals, values: Mapping[str, float],
    tries: Mapping[str, np.ndarray], boot: Mapping[str, np.ndarray], shared: float,
) -> Intervals:  # fmt: skip
    """The intervals of a mean over repeats under new patients and new training sets; see
    :func:`over_draws`. ``shared``: what repeats have in common, see :func:`of_mean`."""
    if scored.rows is None:
        return _joined(scored, found, values, tries, boot, shared, FITS)
    ci = {
        n: _of_splits(values[n], tries[n], shared, alone, bounds_of(n))
        for n, alone in found.ci.items()
    }
    return found._replace(ci=ci, method=_methods(found, ci, SPLITS))


def of_mean(tries: np.ndarray, shared: float = 0.0) -> tuple[float, int]:
    """Variance of the mean over T tries (T,) and its degrees of freedom; NaN of fewer than two.

    s^2 (1 / T + ``shared``): draws apart from each other share nothing. Random splits overlap, for
    which the ratio of test to training patients corrects (Nadeau and Bengio 2003). Of fits that
    each leave out d of n training patients it is (n - d) / d (the delete-d jackknife, Shao and Wu
    1989).
    """
    tries = tries[~np.isnan(tries)]
    if len(tries) < 2:
        return math.nan, 0
    return float(np.var(tries, ddof=1)) * (1 / len(tries) + shared), len(tries) - 1


def joined(
    value: float, parts: tuple[tuple[float, int], tuple[float, int]], alone: Ends, bounds: Ends,
    errors: float,
) -> Ends:  # fmt: skip
    """Interval of a mean whose tries and test patients are sampled independently.

    ``parts``: variance and degrees of freedom of each; the t interval of their sum (Satterthwaite
    1946) is on the logit scale between ``bounds`` that are finite. Near the end of a scale no
    variance is seen: with few ``errors`` the interval goes over into ``alone``, that under new
    patients, with the tries' distance added in squares on each side (MOVER, Zou and Donner 2008).
    """
    (between, df), _ = parts
    if math.isnan(between) or math.isnan(alone[0]):
        return NOWHERE
    apart = reach(df) * math.sqrt(between)
    ends = value - math.hypot(value - alone[0], apart), value + math.hypot(alone[1] - value, apart)
    variance = sum(v for v, _ in parts)
    if variance > _NOTHING:
        freedom = 1 / sum((v / variance) ** 2 / f for v, f in parts)
        seen = _scaled(value, reach(freedom) * math.sqrt(variance), bounds)
        low, high = (weighted_by_errors(s, e, errors) for s, e in zip(seen, ends))
        ends = low, high
    return max(bounds[0], ends[0]), min(bounds[1], ends[1])


def _joined(
    scored: ItemScores, found: Intervals, values: Mapping[str, float],
    tries: Mapping[str, np.ndarray], boot: Mapping[str, np.ndarray], shared: float, kind: str,
) -> Intervals:  # fmt: skip
    n = scored.patients
    support = Support.of(scored)
    fewest = n if support is None else support.both(None)
    ci = {}
    for name, alone in found.ci.items():
        if math.isnan(alone[0]):
            ci[name] = NOWHERE
            continue
        bounds, value = bounds_of(name), values[name]
        width = bounds[1] - bounds[0]
        resampled = boot[name][~np.isnan(boot[name])]
        patients = float(np.var(resampled, ddof=1)) * n / (n - 1) if len(resampled) > 1 else 0.0
        room = min(value - bounds[0], bounds[1] - value) / width
        errors = fewest * len(scored.tries) * room if math.isfinite(width) else math.inf
        parts = of_mean(tries[name], shared), (patients, n - 1)
        ci[name] = joined(value, parts, alone, bounds, errors)
    return found._replace(ci=ci, method=_methods(found, ci, kind))


def _of_splits(value: float, tries: np.ndarray, shared: float, alone: Ends, bounds: Ends) -> Ends:
    """What is between random splits is patients too, so these are not added; but their interval is
    the least that is said, since splits that all reach the same (1.000) vary no further."""
    variance, df = of_mean(tries, shared)
    if math.isnan(variance) or math.isnan(alone[0]):
        return NOWHERE
    low, high = _scaled(value, reach(df) * math.sqrt(variance), bounds)
    return max(bounds[0], min(low, alone[0])), min(bounds[1], max(high, alone[1]))


def _scaled(value: float, half: float, bounds: Ends) -> Ends:
    """``value`` -+ ``half``, between finite bounds on the logit scale, which stays inside them."""
    width = bounds[1] - bounds[0]
    share = (value - bounds[0]) / width if math.isfinite(width) else math.nan
    if not 0 < share < 1:
        return value - half, value + half
    from scipy.special import expit

    step = half / width / (share * (1 - share))
    middle = math.log(share / (1 - share))
    low, high = (bounds[0] + width * float(expit(middle + s * step)) for s in (-1, 1))
    return low, high


def _methods(found: Intervals, ci: Mapping[str, Ends], kind: str) -> dict[str, str]:
    scale = {n: ", logit scale" * math.isfinite(np.ptp(bounds_of(n))) for n in found.method}
    return {n: NONE if math.isnan(ci[n][0]) else kind + scale[n] for n in found.method}
