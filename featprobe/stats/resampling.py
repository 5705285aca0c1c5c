"""Bootstrap over patients of metrics of scored items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from featprobe.core.threads import cores, on_threads
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.measures import LARGE, custom, names

RESAMPLES = 1000
LEVEL = 0.95
_BLOCK = 2_000_000  # counts of samples at a time: what is done with them stays near the processor
_FEWEST = 32  # resamples at a time: a line of memory that is fetched for one serves them all
_PIECE, _TURNED = 65_536, 1024  # draws, and columns that become rows, at a time


def block_size(samples: int, resamples: int) -> int:
    """Number of weightings of ``samples`` to compute at a time, so that they stay in cache."""
    return min(resamples, max(_FEWEST, _BLOCK // max(1, samples)))


def draws(
    patients: int, resamples: int, rng: np.random.Generator, block: int | None = None,
    dtype: type[np.number] = np.float64,
) -> Iterator[np.ndarray]:  # fmt: skip
    """Yield blocks (patients, b) of the number of times that each patient is drawn.

    As many are drawn, with replacement, as there are (Davison and Hinkley 1997, section 3.8), and
    all samples of a patient with them. The numbers do not depend on ``block``.
    """
    block = block or block_size(patients, resamples)
    for start in range(0, resamples, block):
        # in a byte they fit the cache; nobody is drawn 256 times but once in 10^500 resamples
        counts = np.zeros((min(block, resamples - start), patients), dtype=np.uint8)
        for of_one in counts:
            for first in range(0, patients, _PIECE):
                size = min(_PIECE, patients - first)
                np.add.at(of_one, rng.integers(0, patients, size), np.uint8(1))
        out = np.empty(counts.shape[::-1], dtype)
        for first in range(0, patients, _TURNED):
            out[first : first + _TURNED] = counts[:, first : first + _TURNED].T
        yield out


def bootstrap(
    scored: ItemScores,
    *,
    wanted: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Compute metric -> values (resamples,) under resamples of patients.

    Every resample of patients is applied to all tries of a few-shot run and the metric averaged, so
    that the interval speaks of new patients and not of new draws. Two sets of scores of the same
    items in the same order are given the same resamples by the same seed: their differences are
    paired.
    """
    rng = np.random.default_rng([seed, 0xB007])
    measure = scored.measure(wanted)
    block = block_size(len(scored.ids), resamples)
    drawn = draws(scored.patients, resamples, rng, block, np.uint16)
    # functions of other packages may not be ready for two threads
    alone = block * len(scored.ids) < LARGE or {*(wanted or names(scored.task))} & {*custom()}
    found = list(on_threads(measure, drawn, 1 if alone else cores()))
    return {n: np.concatenate([f[n] for f in found]) for n in found[0]}


def interval(values: np.ndarray, patients: int, level: float = LEVEL) -> tuple[float, float]:
    """Expanded percentile interval of bootstrap values of so many ``patients``.

    The plain percentile interval is too short for few patients, by the factor between the normal
    and the t distribution and by sqrt((n - 1) / n), since a bootstrap divides by n. Both are made
    up for in the quantiles that are taken (Hesterberg 2015, "What teachers should know about the
    bootstrap"). Resamples without a defined value are left out; NaN with fewer than
    two patients or without any value.
    """
    from scipy.special import ndtr, stdtrit

    defined = values[~np.isnan(values)]
    if not len(defined) or patients < 2:
        return float("nan"), float("nan")
    reach = stdtrit(patients - 1, (1 + level) / 2) * np.sqrt(patients / (patients - 1))
    tail = float(ndtr(-reach))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
