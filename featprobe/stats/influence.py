"""The influence of each patient on a metric, from which variances and paired tests are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from featprobe.core.errors import InputError
from featprobe.metrics.curve import operating
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.sums import nan_mean
from featprobe.stats.resampling import block_size

UNITS = 512  # patients beyond as many are joined at random into so many units
_STEP = 0.01  # of a unit's weight that is taken away
_LEAP = 0.99  # of operating points: thresholds jump, so that a derivative says nothing of them


class Influence(NamedTuple):
    """Influence of each patient on a metric, for K models scored on the same test items.

    ``value`` (K,); ``units`` (U, K): how much of the value each patient (with more than
    :data:`UNITS` patients, each random group of them) is worth, summing to zero over U;
    ``tries`` (T, K): values of the tries, one row where there is one fit or there are folds.
    ``shared``: the variance of their mean is that between tries times 1 / T + shared. ``fixed``:
    patients are in the tries already, which tested different ones.
    """

    value: np.ndarray
    units: np.ndarray
    tries: np.ndarray
    shared: float = 0.0
    fixed: bool = False


def influence(
    models: Sequence[ItemScores], metric: str, seed: int = 0, shared: float = 0.0
) -> Influence:
    """Compute the :class:`Influence` of models that scored the same items in the same order.

    The weight of a patient is lowered by a hundredth and the metric computed again: the
    infinitesimal jackknife (Jaeckel 1972; Efron 1982, chapter 6), which has a value for the only
    positive patient too. Of operating points nearly all of the weight is taken, since between two
    thresholds they do not move. It holds for every metric of
    :class:`~featprobe.metrics.measures.Measure`, on any scale of scores, because no score of one
    model meets one of another. Patients are never divided. The mean over tries or folds is taken
    before.

    Tries are drawn again in another study: few-shot draws, or repeats of a split, of which some
    items are tested more than once. ``shared``: what repeats have in common, by which training
    sets that overlap are made up for (Nadeau and Bengio 2003). Folds test each item once and are no
    tries.

    Raises :class:`InputError` for a metric that another package registered without weights.
    """
    first = models[0]
    unit = _units(first.patients, seed)
    count = int(unit.max()) + 1
    block = block_size(len(first.ids), count)
    step = _LEAP if operating(metric.partition(":")[0]) else _STEP
    value, parts, tries = [], [], []
    fixed = first.rows is not None and sum(map(len, first.rows)) > len(first.ids)
    several = len(first.tries) > 1 and (first.rows is None or fixed)
    for scored in models:
        measure = scored.measure([metric])
        lowered = []
        for start in range(0, count, block):
            here = np.arange(start, min(start + block, count))
            lowered.append(measure(1.0 - step * (unit[:, None] == here))[metric])
        whole = float(measure(np.ones((first.patients, 1)))[metric][0])
        if not np.isnan(whole) and np.isnan(np.concatenate(lowered)).all():
            raise InputError(
                f"{metric} cannot be tested: its function takes no weights, by which patients count"
            )
        moved = (whole - np.concatenate(lowered)) * (1 - step / count) / step
        value.append(whole)
        parts.append(moved - nan_mean(moved))
        tries.append(scored.values([metric])[metric] if several else np.array([whole]))
    units = np.stack(parts, axis=1)
    return Influence(np.array(value), units, np.stack(tries, axis=1), shared, fixed)


def _units(patients: int, seed: int) -> np.ndarray:
    """(patients,) the unit of each: itself, or one of :data:`UNITS` of nearly equal size."""
    if patients <= UNITS:
        return np.arange(patients)
    return np.random.default_rng([seed, 0x0417]).permutation(patients) % UNITS
