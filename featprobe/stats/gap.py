"""The interval of a difference between what one probe reaches on two test sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.intervals import NOWHERE
from featprobe.stats.resampling import block_size

Ends = tuple[float, float]
FEWEST = 20  # resamples in which both values must be defined, to know how they go together


def difference(
    one: float, other: float, of_one: Ends, of_other: Ends, correlation: float = 0.0
) -> Ends:
    """Interval of ``one`` minus ``other`` from the interval of each (MOVER).

    Each side takes from both intervals the distance to the end that makes the difference so large:
    Zou and Donner 2008 for independent values, Zou 2007 for correlated ones. So it is as short of
    one point where both are 1 as theirs are. NaN where one of them is.
    """
    ends = (*of_one, *of_other)
    if any(map(math.isnan, (one, other, *ends))):
        return NOWHERE
    below, above = one - of_one[0], of_one[1] - one
    other_below, other_above = other - of_other[0], of_other[1] - other

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(a * a + b * b - 2 * correlation * a * b, 0.0))

    apart = one - other
    return apart - reach(below, other_above), apart + reach(above, other_below)


def gaps(
    one: Mapping[str, float], other: Mapping[str, float], of_one: Mapping[str, Ends],
    of_other: Mapping[str, Ends], together: Mapping[str, float] | None = None,
) -> tuple[dict[str, float], dict[str, Ends]]:  # fmt: skip
    """Metric -> ``one`` minus ``other``, and its interval (:func:`difference`).

    ``together``: metric -> correlation of both under new patients, see :func:`correlations`; None
    where no patient is in both test sets, which are then sampled apart from each other.
    """
    names = [n for n in one if n in other]
    apart = {n: one[n] - other[n] for n in names}
    corr = together or {}
    ends = {
        n: difference(one[n], other[n], of_one[n], of_other[n], corr.get(n, 0.0))
        for n in names
        if n in of_one and n in of_other
    }
    return apart, ends


def correlations(
    one: ItemScores, other: ItemScores, *, resamples: int, seed: int
) -> dict[str, float]:
    """Metric -> correlation of its values on two test sets under resamples of all patients.

    ``groups`` of both name patients alike: one that is in both counts in both as often. Without
    such patients it is about zero.
    """
    names = np.unique(np.concatenate([one.groups, other.groups]))
    sides = [(s.measure(), np.searchsorted(names, np.unique(s.groups))) for s in (one, other)]
    found: list[dict[str, list[np.ndarray]]] = [{}, {}]
    items = len(one.ids) + len(other.ids)
    for counts in _draws(len(names), resamples, seed, block_size(items, resamples)):
        for (measure, rows), values in zip(sides, found):
            for name, value in measure(np.ascontiguousarray(counts[rows])).items():
                values.setdefault(name, []).append(value)
    out = {}
    for name in found[0].keys() & found[1].keys():
        a, b = (np.concatenate(values[name]) for values in found)
        both = ~(np.isnan(a) | np.isnan(b))
        enough = both.sum() >= FEWEST and np.ptp(a[both]) > 0 and np.ptp(b[both]) > 0
        out[name] = float(np.corrcoef(a[both], b[both])[0, 1]) if enough else 0.0
    return out


def _draws(patients: int, resamples: int, seed: int, block: int) -> Iterator[np.ndarray]:
    """Counts (patients, b); each patient counts as a Poisson variable of mean 1, so that the sizes
    of both test sets do not go against each other, as they would under a fixed sum."""
    rng = np.random.default_rng([seed, 0x6A9])
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        yield rng.poisson(1.0, (patients, size)).astype(np.float64)
