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


@st.composite
def labelled(draw):
    """Targets of a kind, and groups of one to five items in mixed order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    patients = draw(st.integers(1, 80))
    groups = np.repeat(np.arange(patients), rng.integers(1, draw(st.integers(1, 5)) + 1, patients))
    groups = groups[rng.permutation(len(groups))]
    kind = draw(st.sampled_from(["int", "of patients", "multi", "values"]))
    if kind == "multi":
        return np.where(
            rng.random((len(groups), 4)) < 0.1, np.nan, rng.random((len(groups), 4)) < 0.2
        ) * 1.0, groups
    if kind == "values":
        return rng.normal(size=len(groups)), groups
    drawn = rng.choice(3, size=len(groups), p=[0.7, 0.25, 0.05])
    return drawn[groups] if kind == "of patients" else drawn, groups


FRACTION = st.floats(0.001, 1)


@given(labelled(), FRACTION, FRACTION, st.integers(0, 99))
def test_a_portion_is_whole_groups_of_every_class_and_nested(case, one, other, seed) -> None:
    y, groups = case
    low, high = sorted((one, other))
    small, large = (splits.portion(y, groups, f, seed) for f in (low, high))
    assert (small == splits.portion(y, groups, low, seed)).all()
    assert not (small & ~large).any()
    for g in np.unique(groups):
        assert len(np.unique(small[groups == g])) == 1
    columns = splits.label_matrix(y) > 0
    assert (columns[small].any(0) == columns.any(0)).all()
    kept, whole = len(np.unique(groups[small])), len(np.unique(groups))
    assert abs(kept - low * whole) <= columns.shape[1]
    assert splits.portion(y, groups, 1.0, seed).all()


@given(labelled(), FRACTION, st.integers(0, 99))
def test_a_portion_does_not_depend_on_names_of_groups(case, fraction, seed) -> None:
    y, groups = case
    renamed = np.array([f"patient {97 * g % 101}" for g in groups])
    one, other = (splits.portion(y, names, fraction, seed) for names in (groups, renamed))
    assert (one == other).all()


def test_a_portion_has_the_fraction_of_the_patients_of_each_class() -> None:
    groups = np.repeat(np.arange(1000), 2)
    y = np.where(np.arange(1000) < 900, 0, 1).repeat(2)
    for fraction, expected in ((0.01, [18, 2]), (0.1, [180, 20]), (0.5, [900, 100])):
        kept = splits.portion(y, groups, fraction)
        assert np.bincount(y[kept]).tolist() == expected
    assert (splits.portion(y, groups, 0.1, 0) != splits.portion(y, groups, 0.1, 1)).any()


def test_a_label_that_only_comes_with_rarer_ones_is_kept() -> None:
    y = np.zeros((12, 5))
    y[np.arange(12), np.arange(12) // 3] = 1  # four labels of three patients each
    y[::3, 4] = 1  # the fifth label is one of theirs each time, four in all
    sizes = set()
    for seed in range(20):
        kept = splits.portion(y, np.arange(12), 0.01, seed)
        assert (y[kept] == 1).any(0).all()
        sizes.add(int(kept.sum()))
    assert sizes == {4, 5}  # five where none of the four has it


def test_fractions_must_sum_to_one() -> None:
    with pytest.raises(InputError, match="sum to 1"):
        splits.assign(np.arange(9) % 2, np.arange(9), (0.5, 0.2))
