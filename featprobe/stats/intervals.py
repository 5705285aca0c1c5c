"""The interval of each metric: which method, from how many patients, and where there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from featprobe.metrics import measures as metrics
from featprobe.metrics.curve import operating
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.operating_point import OperatingPoint
from featprobe.stats.score import reach, score_interval, wilson
from featprobe.stats.support import AREAS, OF_ITEMS, Support

FEWEST = 10  # patients: with fewer there is no interval
FEW = 5  # patients of a class: with fewer the note says so
OPERATING = 30  # patients of each class without which an operating point has none
_BELIEVED = 2.0  # errors at which what was seen and what is known beforehand count alike
NOWHERE = (math.nan, math.nan)

WILSON = "Wilson score, effective patients"
AREA = "Newcombe score, effective patients"
LOG, FISHER = "patient bootstrap, log scale", "patient bootstrap, Fisher z"
LOGIT, PLAIN = "patient bootstrap, logit scale", "patient bootstrap"  # of registered metrics
NONE = "none"
_OVERLAPS = ("dice", "iou", "pooled_dice", "pooled_jaccard")  # shares of each item, not of errors
_LENGTHS = ("hd95", "asd", "volume_error")
_SHARES = ("accuracy", "balanced_accuracy", "f1", "ap", "precision", "recall",
           "sens_at_95spec", "spec_at_95sens", *OF_ITEMS,
           *OperatingPoint.NAMES)  # fmt: skip
METHODS = {
    **dict.fromkeys(_SHARES, WILSON),
    "kappa": WILSON,
    "quadratic_kappa": WILSON,
    **dict.fromkeys(AREAS, AREA),
    "ece": NONE,
    **dict.fromkeys(("brier", "mae", "rmse", "r2", *_LENGTHS), LOG),
    **dict.fromkeys(_OVERLAPS, LOGIT),
    **dict.fromkeys(("pearson", "spearman"), FISHER),
}
BOUNDS = {
    **dict.fromkeys((*_SHARES, *_OVERLAPS, *AREAS, "ece"), (0.0, 1.0)),
    **dict.fromkeys(("kappa", "quadratic_kappa", "pearson", "spearman"), (-1.0, 1.0)),
    "r2": (-math.inf, 1.0),
    **dict.fromkeys(("brier", "mae", "rmse", *_LENGTHS), (0.0, math.inf)),
}
BY_RESAMPLES = (LOG, FISHER, LOGIT, PLAIN)


def bounds_of(metric: str) -> tuple[float, float]:
    """Ends of a metric's scale, also for ``auroc:CLASS``; infinite where unbounded."""
    base = metric.partition(":")[0]
    if operating(base):
        return 0.0, 1.0
    return BOUNDS[base] if base in BOUNDS else metrics.custom()[base].bounds


def method_of(metric: str) -> str:
    """Name of the interval method of a metric; for registered ones it depends on their bounds."""
    base = metric.partition(":")[0]
    if base in METHODS:
        return METHODS[base]
    if operating(base):
        return WILSON
    if not metrics.custom()[base].weighted:
        return NONE
    ends = sum(map(math.isfinite, bounds_of(base)))
    return (PLAIN, LOG, LOGIT)[ends]


class Intervals(NamedTuple):
    """``ci``: metric -> 95 % (low, high), NaN where there is none; ``method``: metric -> how;
    ``notes``: sentences on what has no interval, or rests on little."""

    ci: dict[str, tuple[float, float]]
    method: dict[str, str]
    notes: list[str]


def intervals(
    scored: ItemScores, values: Mapping[str, float], boot: Mapping[str, np.ndarray]
) -> Intervals:
    """Compute the interval, under new patients, of each metric in ``boot``.

    ``values``: metric -> its value; ``boot``: metric -> values (B,) under resamples of patients
    (:func:`~featprobe.stats.resampling.bootstrap`).

    Metrics between 0 and 1 have a score-type interval: Wilson's, for an AUROC that of Newcombe
    2006 (method 5), with an effective number of patients. Where errors have been seen that number
    is the one whose variance the bootstrap found; without errors, where resampling finds none, it
    is the number of patients that bear on the metric (:class:`Support`); in between it is weighted
    by the number of errors. So n = 20 all correct is not one point, and with many
    errors the interval is as wide as the resamples say. Numbers are studentised on a scale where
    they are about normal. The quantile is that of t with patients minus one degrees, of AP with the
    patients of the rarer class.
    """
    support = Support.of(scored)
    patients = scored.patients
    found: dict[str, tuple[float, float]] = {}
    for name, resampled in boot.items():
        base, _, of = name.partition(":")
        value = values.get(name, math.nan)
        how = method_of(base)
        if patients < FEWEST or math.isnan(value) or how == NONE:
            found[name] = NOWHERE
        elif support is None or how in BY_RESAMPLES:
            found[name] = _studentised(base, value, resampled, patients)
        else:
            column = scored.classes.index(of) if of else None
            found[name] = _scored(base, column, value, resampled, support)
    method = {n: method_of(n) for n in found if ":" not in n}
    method = {n: NONE if math.isnan(found[n][0]) else m for n, m in method.items()}
    return Intervals(found, method, _notes(scored, values, boot, found, support))


def share(
    value: float, resampled: np.ndarray, patients: int, bearing: float | None = None
) -> tuple[float, float]:
    """Interval of a proportion in [0, 1] from its values (B,) under resamples of patients.

    ``bearing``: how many patients it has for a denominator, by default all. NaN with fewer than
    :data:`FEWEST` patients.
    """
    if patients < FEWEST or math.isnan(value):
        return NOWHERE
    at = float(patients) if bearing is None else bearing
    return _wilson(value, _variance(resampled, patients), at, reach(patients - 1))


def weighted_by_errors(seen: float, known: float, errors: float) -> float:
    """What was ``seen`` in the data and what is ``known`` beforehand, by the number of ``errors``:
    both count alike at :data:`_BELIEVED`, without errors nothing was seen."""
    if math.isinf(errors):
        return seen
    weight = max(errors, 0.0) / (max(errors, 0.0) + _BELIEVED)
    return weight * seen + (1 - weight) * known


def too_few(patients: int) -> str:
    """Explain why there are too few patients for intervals; empty where there are enough."""
    return f"no intervals: {_many(patients)}, at least {FEWEST} are needed"


def _why(support: Support | None) -> str:
    if support is not None and support.lacks(None):
        return "one of the two classes has no test patients"
    return "resamples of patients do not differ"


def _many(patients: int) -> str:
    return f"{patients} test patient{'s' * (patients != 1)}"


def _scored(
    base: str, column: int | None, value: float, resampled: np.ndarray, support: Support
) -> tuple[float, float]:
    if base not in ("accuracy", *OF_ITEMS) and support.lacks(column):
        return NOWHERE
    z = reach(support.patients - 1)
    variance = _variance(resampled, support.patients)
    if base in AREAS:
        model = support.area(column)
        seen = variance / model(value) if 0 < value < 1 else 1.0
        factor = weighted_by_errors(seen, 1.0, support.seen(base, column) * min(value, 1 - value))
        return score_interval(value, lambda v: factor * model(v), z)
    if base in ("kappa", "quadratic_kappa"):  # from -1 to 1
        # an error of more than one grade costs more than its share of the denominator
        apart = min(1.0, support.disagreement(base == "quadratic_kappa"))
        bearing = 2 * support.patients * apart
        low, high = _wilson((1 + value) / 2, variance / 4, bearing, z)
        return 2 * low - 1, 2 * high - 1
    if operating(base):
        if support.both(column) < OPERATING:
            return NOWHERE
        variance += _bias(value, resampled) ** 2  # a threshold between few items is off to one side
    if base == "ap":
        z = reach(support.both(column))
    bearing = support.bearing(base, column)
    return _wilson(value, variance, bearing, z, support.seen(base, column))


def _wilson(
    value: float, variance: float, bearing: float, z: float, trials: float | None = None
) -> tuple[float, float]:
    """``trials``: in which errors could have been seen, by default the ``bearing`` ones."""
    room = value * (1 - value)
    seen = variance / room if room > 0 else 0.0
    errors = (bearing if trials is None else trials) * min(value, 1 - value)
    each = weighted_by_errors(seen, 1 / bearing, errors)
    return wilson(value, 1 / each, z)


def _variance(resampled: np.ndarray, patients: int) -> float:
    """Of a bootstrap, which divides by patients where it should by patients minus one."""
    defined = resampled[~np.isnan(resampled)]
    if len(defined) < 2:
        return 0.0
    return float(np.var(defined, ddof=1)) * patients / (patients - 1)


def _bias(value: float, resampled: np.ndarray) -> float:
    defined = resampled[~np.isnan(resampled)]
    return float(defined.mean() - value) if len(defined) else 0.0


def _studentised(
    base: str, value: float, resampled: np.ndarray, patients: int
) -> tuple[float, float]:
    """t times the bootstrap's deviation on a scale where the metric is about normal.

    Logarithms of the distance to the end of a scale (errors; 1 - R2, a ratio of variances), half
    the logit between two ends (of correlations Fisher's z). NaN where the metric is at an end,
    which resampling never leaves.
    """
    defined = resampled[~np.isnan(resampled)]
    there: Callable[[Any], Any]
    back: Callable[[Any], Any]
    low, high = bounds_of(base)
    if math.isfinite(low) and math.isfinite(high):
        centre, half = (low + high) / 2, (high - low) / 2
        there, back = (
            (lambda v: np.arctanh((v - centre) / half)), (lambda z: centre + half * np.tanh(z))
        )  # fmt: skip
    elif math.isfinite(high):
        there, back = (lambda v: np.log(high - v)), (lambda z: high - np.exp(z))
    elif math.isfinite(low):
        there, back = (lambda v: np.log(v - low)), (lambda z: low + np.exp(z))
    else:
        there = back = np.asarray
    with np.errstate(divide="ignore", invalid="ignore"):
        middle, moved = float(there(value)), there(defined)
    moved = moved[np.isfinite(moved)]
    if not math.isfinite(middle) or len(moved) < 2 or np.ptp(moved) == 0:
        return NOWHERE
    error = float(np.std(moved, ddof=1)) * math.sqrt(patients / (patients - 1))
    ends = sorted(float(back(middle + s * reach(patients - 1) * error)) for s in (-1, 1))
    return ends[0], ends[1]


def _notes(
    scored: ItemScores,
    values: Mapping[str, float],
    boot: Mapping[str, np.ndarray],
    found: Mapping[str, tuple[float, float]],
    support: Support | None,
) -> list[str]:
    """Sentences on what has no interval, and on intervals that rest on little."""
    if scored.patients < FEWEST:
        return [too_few(scored.patients)]
    out = []
    defined = [n for n in found if not math.isnan(values.get(n, math.nan))]
    refused = [n for n in defined if ":" not in n and math.isnan(found[n][0])]
    points = [n for n in refused if operating(n)]
    if points:
        out.append(
            f"no interval of {', '.join(points)}: fewer than {OPERATING} test patients with or "
            "without a class"
        )
    if plain := [n for n in refused if n in metrics.custom() and method_of(n) == NONE]:
        out.append(f"no interval of {', '.join(plain)}: the function takes no weights")
    defined = [n for n in defined if n not in plain]
    rest = [n for n in refused if n not in points and method_of(n) != NONE]
    if rest:
        out.append(f"no interval of {', '.join(rest)}: {_why(support)}")
    lost = {n: int(np.isnan(boot[n]).sum()) for n in defined}
    if any(lost.values()):
        worst = max(lost, key=lost.__getitem__)
        out.append(
            f"{worst} is not defined in {lost[worst]} of {len(boot[worst])} resamples of patients, "
            "which its interval leaves out"
        )
    if support is not None and 0 < support.both(None) < FEW:
        out.append(
            f"a class has {_many(support.both(None))} only: intervals of AUROC, AP and recalls "
            "rest on these"
        )
    return out
