"""Sets of ranks from tests of all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.stats.influence import Influence
from featprobe.stats.maxt import together
from featprobe.stats.ranksets import rank_sets


def gaussian(means, n: int = 60, seed: int = 0) -> Influence:
    """Means of values by patient, as a metric that is a mean over patients."""
    x = np.random.default_rng(seed).normal(size=(n, len(means))) + means
    value = x.mean(0)
    return Influence(value, (x - value) / n, value[None])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), st.integers(0, 99), st.booleans())
def test_the_rank_by_value_is_always_among_them(means, seed, higher) -> None:
    of = gaussian(np.array(means), 20, seed)
    pairs = list(combinations(range(len(means)), 2))
    sets = rank_sets(len(means), pairs, together(of, pairs, resamples=99), higher)
    worth = of.value if higher else -of.value
    rank = 1 + (worth[None] > worth[:, None]).sum(1)
    assert (sets.low <= rank).all()
    assert (rank <= sets.high).all()


def test_clear_differences_leave_one_rank_and_none_leave_all() -> None:
    pairs = list(combinations(range(4), 2))
    for means, low, high in (
        ([3.0, 2.0, 1.0, 0.0], [1, 2, 3, 4], [1, 2, 3, 4]),
        ([0.0, 0.0, 0.0, 9.0], [2, 2, 2, 1], [4, 4, 4, 1]),
    ):
        of = gaussian(np.array(means), 200)
        sets = rank_sets(4, pairs, together(of, pairs))
        assert sets.low.tolist() == low
        assert sets.high.tolist() == high
    turned = rank_sets(4, pairs, together(of, pairs), higher=False)
    assert turned.low.tolist() == [1, 1, 1, 4]


def test_true_ranks_are_in_all_sets_together_in_most_studies() -> None:
    means, pairs = np.array([0.3, 0.2, 0.2, 0.0, 0.0]), list(combinations(range(5), 2))
    missed = 0
    for seed in range(100):
        sets = rank_sets(5, pairs, together(gaussian(means, 40, seed), pairs, resamples=199))
        better = (means[None] > means[:, None]).sum(1)
        worse = (means[None] < means[:, None]).sum(1)
        missed += ((sets.low > 1 + better) | (sets.high < 5 - worse)).any()
    assert missed <= 11
