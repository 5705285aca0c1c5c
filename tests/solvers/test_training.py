"""Batches and targets of training by gradient steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from featprobe.solvers.training import (
    batches,
    columns_of,
    float32_rows,
    objective_of,
    probabilities,
    steps_per_epoch,
)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 40), st.integers(0, 5))
def test_no_row_is_drawn_twice_as_often_as_another_allows(rows, size, steps, seed) -> None:
    drawn = list(batches(rows, size, steps, seed))
    assert [len(b) for b in drawn] == [min(rows, size)] * steps
    counts = np.bincount(np.concatenate(drawn), minlength=rows)
    assert counts.max() - counts.min() <= 1  # whole permutations, the last one cut off
    assert len(counts) == rows


def test_batches_depend_on_the_seed_alone() -> None:
    one, two, other = (list(batches(50, 8, 9, s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_an_epoch_shows_every_row() -> None:
    assert steps_per_epoch(1000, 128) == 8
    assert steps_per_epoch(5, 128) == 1


@pytest.mark.parametrize(
    ("y", "objective", "columns"),
    [
        (np.array([0, 2, 1]), "softmax", 3),
        (np.array([0.5, 2.0]), "value", 1),
        (np.array([[0, 1.0], [np.nan, 0]]), "sigmoid", 2),
    ],
)
def test_targets_say_what_is_trained(y, objective, columns) -> None:
    assert objective_of(y) == objective
    assert columns_of(y) == columns


def test_probabilities_are_scipys() -> None:
    z = np.random.default_rng(0).normal(size=(2, 7, 3)) * 30
    np.testing.assert_allclose(probabilities(z, "softmax"), softmax(z, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(probabilities(z, "sigmoid"), expit(z), rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(probabilities(z, "value"), z)


def test_rows_of_many_blocks_are_transformed_each_once() -> None:
    x = np.arange(2 * 9001, dtype=np.float64).reshape(9001, 2)
    found = float32_rows(x, lambda rows: rows / 2, constant=True)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :2], (x / 2).astype(np.float32))
    assert (found[:, 2] == 1).all()
