"""Splits: no patient in two parts, proportions kept, reproducible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe import splits
from featprobe.errors import InputError


@given(
    st.integers(0, 2**31), st.integers(6, 80), st.integers(1, 5), st.sampled_from(["int", "multi"])
)
def test_no_group_crosses_and_every_part_has_items(seed, patients, most, kind) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), rng.integers(1, most + 1, patients)).astype(str)
    groups = groups[rng.permutation(len(groups))]
    y = rng.integers(0, 3, len(groups))
    if kind == "multi":
        y = (rng.random((len(groups), 4)) < 0.3).astype(float)
    part = splits.assign(y, groups, seed=seed)
    for g in np.unique(groups):
        assert len(np.unique(part[groups == g])) == 1
    assert set(part.tolist()) == {0, 1, 2}


def test_proportions_of_items_and_classes_are_kept() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(400), rng.integers(1, 4, 400))
    y = (rng.random(len(groups)) < 0.1).astype(int)
    part = splits.assign(y, groups)
    for k, share in enumerate(splits.FRACTIONS):
        assert (part == k).mean() == pytest.approx(share, abs=0.02)
        assert y[part == k].mean() == pytest.approx(y.mean(), abs=0.02)


def test_a_seed_gives_one_split_whatever_the_groups_are_called() -> None:
    y = np.arange(60) % 2
    groups = np.arange(60) // 3
    one = splits.assign(y, groups, seed=5)
    assert (one == splits.assign(y, groups, seed=5)).all()
    renamed = np.array([f"patient {97 * g % 101}" for g in groups])
    assert (one == splits.assign(y, renamed, seed=5)).all()
    assert (one != splits.assign(y, groups, seed=6)).any()


def test_too_few_patients_are_told() -> None:
    with pytest.raises(InputError, match="2 patients cannot be split into 3 parts"):
        splits.assign(np.array([0, 1, 0, 1]), np.array(["a", "a", "b", "b"]))


def test_fractions_must_sum_to_one() -> None:
    with pytest.raises(InputError, match="sum to 1"):
        splits.assign(np.arange(9) % 2, np.arange(9), (0.5, 0.2))
