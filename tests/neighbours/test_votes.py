"""Votes for many k at once against votes for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.neighbours.votes import class_shares, value_sums, weights


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_every_k_in_any_order_is_the_sum_over_its_first_neighbours(seed: int, ks: list) -> None:
    rng = np.random.default_rng(seed)
    weight, labels = rng.random((6, 20)) + 0.01, rng.integers(0, 4, (6, 20))
    hot = np.eye(4)[labels]
    shares, sums = class_shares(weight, labels, 4, ks), value_sums(weight, hot, ks)
    for g, k in enumerate(ks):
        expected = (weight[:, :k, None] * hot[:, :k]).sum(1)
        np.testing.assert_allclose(sums[g], expected, atol=1e-12)
        np.testing.assert_allclose(shares[g], expected / expected.sum(1, keepdims=True), atol=1e-12)


def test_neighbours_at_distance_zero_count_alone() -> None:
    d = np.array([[0.0, 0.0, 2.0], [0.5, 1.0, 2.0]])
    found = weights("distance", np.zeros((2, 3)), 1.0, lambda: d)
    assert found.tolist() == [[1, 1, 0], [2, 1, 0.5]]


def test_an_unknown_vote_is_told() -> None:
    with pytest.raises(InputError, match="vote 'borda': choose of softmax, uniform, distance"):
        weights("borda", np.zeros((1, 1)), 1.0, lambda: np.zeros((1, 1)))
