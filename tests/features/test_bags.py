"""Bags of frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.features.bags import Bags


def bags(counts: list[int]) -> Bags:
    frames = np.random.default_rng(0).normal(size=(sum(counts), 3))
    return Bags(frames, np.r_[0, np.cumsum(counts)])


def as_list(b: Bags) -> list[np.ndarray]:
    return np.split(b.frames, b.offsets[1:-1])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.data())
def test_drawing_rows_is_drawing_from_a_list_of_bags(counts, data) -> None:
    b = bags(counts)
    rows = data.draw(st.lists(st.integers(0, len(counts) - 1), min_size=1, max_size=10))
    drawn = b[np.array(rows)]
    assert len(drawn) == len(rows)
    assert drawn.shape == (len(rows), 3)
    for found, row in zip(as_list(drawn), rows, strict=True):
        np.testing.assert_array_equal(found, as_list(b)[row])


def test_masks_slices_and_single_rows_are_taken_too() -> None:
    b = bags([2, 1, 4])
    np.testing.assert_array_equal(b[np.array([True, False, True])].counts, [2, 4])
    np.testing.assert_array_equal(b[1:].counts, [1, 4])
    np.testing.assert_array_equal(b[2].frames, as_list(b)[2])


def test_the_mean_is_that_of_each_bags_frames() -> None:
    b = bags([2, 1, 4])
    assert b.mean().dtype == np.float32
    np.testing.assert_allclose(b.mean(), [f.mean(0) for f in as_list(b)], rtol=1e-6)


def test_rows_of_an_array_are_bags_of_one() -> None:
    x = np.arange(6.0).reshape(3, 2)
    b = Bags.of(x)
    np.testing.assert_array_equal(b.mean(), x)
    assert Bags.of(b) is b


@pytest.mark.parametrize(
    ("frames", "offsets", "message"),
    [
        (np.zeros((4, 2)), [0, 2, 2, 4], "bag 1 has no frame"),
        (np.zeros((4, 2)), [0, 2, 3], "must run from 0 to the 4 frames"),
        (np.zeros((4, 2)), [1, 4], "must run from 0 to the 4 frames"),
        (np.zeros(4), [0, 4], r"must be an \(F, D\) array"),
    ],
)
def test_bags_that_do_not_cover_their_frames_are_refused(frames, offsets, message) -> None:
    with pytest.raises(InputError, match=message):
        Bags(frames, np.array(offsets))
