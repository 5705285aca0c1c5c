"""Means of a metric over data sets, with what new patients and seeds would change of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.leaderboard.across import Across
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.sums import ratio
from featprobe.stats.resampling import RESAMPLES, draws, interval


class Means(NamedTuple):
    """``mean`` (K,) over data sets; ``low``, ``high``: 95 %, NaN of models without scores."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def means(cache: Path, of: Across, resamples: int = RESAMPLES, seed: int = 0) -> Means:
    """The mean over the data sets of a table, its interval by resampling patients and seeds.

    The data sets are those there are; patients are drawn with replacement in each, with all of
    their items under every seed and model, and seeds are drawn with replacement too (Davison and
    Hinkley 1997, section 3.8): two levels, resampled together. All models meet the same draws. The
    expanded percentile interval has the quantiles of the data set with the fewest patients.

    Raises :class:`InputError` where the data sets have different metrics.
    """
    if of.common is None:
        raise InputError("data sets with different metrics have no mean; name one by --metric")
    k, n = of.values.shape
    drawn = np.zeros((k, resamples))
    fewest = np.full(k, np.inf)
    for d in range(n):
        scored = [[s for r in of.cells[m][d] for s in _scored(cache, r)] for m in range(k)]
        rng = np.random.default_rng([seed, d, 0x3EA5])
        seeds = len(scored[0])
        weight = rng.multinomial(seeds, [1 / seeds] * seeds, size=resamples).T / seeds
        there = [s for row in scored for s in row if s is not None]
        if not there:
            return Means(of.values.mean(1), *np.full((2, k), np.nan))
        names = np.unique(np.concatenate([s.groups for s in there]))
        counts = np.concatenate(list(draws(len(names), resamples, rng)), axis=1)
        for m, row in enumerate(scored):
            drawn[m] += _under(row, of.common, names, counts, weight) / n
            fewest[m] = min([fewest[m], *(s.patients for s in row if s is not None)])
    ends = [
        interval(v, int(f)) if np.isfinite(f) and np.isfinite(v).any() else (np.nan, np.nan)
        for v, f in zip(drawn, fewest)
    ]
    low, high = np.array(ends).T
    return Means(of.values.mean(1), low, high)


def _scored(cache: Path, r: Result) -> Sequence[ItemScores | None]:
    """The scores of a result, of a mean over seeds those of each."""
    try:
        return [results.scored(cache, one) for one in r.by_seed()]
    except InputError:
        return [None] * max(1, len(r.seeds))


def _under(
    row: list[ItemScores | None], metric: str, names: np.ndarray, counts: np.ndarray,
    weight: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """(B,) the mean over seeds of a model on one data set; NaN where scores of a seed are gone."""
    found = []
    for scored in row:
        if scored is None:
            return np.full(counts.shape[1], np.nan)
        own = np.searchsorted(names, np.unique(scored.groups))
        found.append(scored.measure([metric])(np.ascontiguousarray(counts[own]))[metric])
    values = np.stack(found)
    # a draw of patients under which a seed has no value is made up for by the other seeds
    known = np.where(np.isnan(values), 0.0, weight)
    return ratio((np.nan_to_num(values) * known).sum(0), known.sum(0))
