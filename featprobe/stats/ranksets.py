"""Which ranks cannot be excluded, from simultaneous tests of all pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from featprobe.stats.maxt import Family, Pairs
from featprobe.stats.resampling import LEVEL


class RankSets(NamedTuple):
    """Lowest and highest possible rank of each model: ``low``, ``high`` (K,)."""

    low: np.ndarray
    high: np.ndarray


def rank_sets(models: int, pairs: Pairs, of: Family, higher: bool = True) -> RankSets:
    """Compute the ranks of ``models`` that are compatible with the tests of all their pairs.

    A model is behind all that are surely better and before all that are surely worse: its rank is
    between 1 + how many are better and K - how many are worse (Mogstad, Romano, Shaikh and Wilhelm
    2024, "Inference for ranks"; the comparisons as in Hsu 1996). Sure is what the simultaneous
    tests call different, so that all true ranks are in these sets together in 95 % of studies. Its
    rank by value is always among them. ``higher``: more is better.
    """
    low, high = np.ones(models, dtype=int), np.full(models, models)
    sign = 1 if higher else -1
    for (i, j), d, p in zip(pairs, sign * of.difference, of.joint_p):
        if p < 1 - LEVEL and d:
            better, worse = (i, j) if d > 0 else (j, i)
            low[worse] += 1
            high[better] -= 1
    return RankSets(low, high)
