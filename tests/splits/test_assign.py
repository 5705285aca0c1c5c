"""Splits: no patient in two parts, proportions kept, reproducible."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.splits import assign as splits


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
    columns = np.stack(list(splits.label_columns(y)), axis=1)
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


@st.composite
def mixtures(draw):
    """Targets and groups over class mix, sizes, kinds of labels; and fractions."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    patients = draw(st.integers(10, 300))
    sizes = {
        "one": np.ones(patients, dtype=int),
        "even": np.full(patients, draw(st.integers(2, 5))),
        "long tail": rng.geometric(0.2, patients),
        "a third in one": np.r_[np.ones(patients - 1, dtype=int), patients // 2],
    }[draw(st.sampled_from(["one", "even", "long tail", "a third in one"]))]
    groups = np.repeat(np.arange(patients), sizes)
    n = len(groups)
    kind = draw(st.sampled_from(["mixed", "of patients", "labels", "values"]))
    mix = rng.dirichlet(np.full(draw(st.integers(2, 10)), draw(st.sampled_from([0.5, 5.0]))))
    if kind == "labels":
        rate = rng.uniform(0.02, 0.5, 6)
        labels = (rng.random((n, 6)) < rate).astype(float)
        y = np.where(rng.random((n, 6)) < 0.15, np.nan, labels)
    elif kind == "values":
        y = rng.normal(size=n) + rng.normal(size=patients)[groups]
    else:
        drawn = rng.choice(len(mix), size=n, p=mix)
        y = drawn if kind == "mixed" else drawn[groups]
    order = rng.permutation(n)
    fractions = draw(st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.2), (0.2,) * 5, (0.1,) * 10]))
    return y[order], groups[order], fractions, draw(st.integers(0, 99))


def off(y, groups, part, fractions) -> float:
    """The largest distance of a part, or a class in it, from what is asked for, in units of the
    largest group of the class, or of 1 % where that is more."""
    worst = 0.0
    for column in splits.label_columns(y):
        if not column.any():
            continue
        largest = max(column[groups == g].sum() for g in np.unique(groups[column > 0]))
        for k, f in enumerate(fractions):
            wanted = f * column.sum()
            found = abs(column[part == k].sum() - wanted)
            worst = max(worst, found / max(largest, 0.01 * wanted))
    return worst


@given(mixtures())
@settings(max_examples=150, deadline=None)
def test_parts_and_classes_are_within_a_group_or_a_hundredth_or_it_is_said(case) -> None:
    y, groups, fractions, seed = case
    part = splits.assign(y, groups, fractions, seed)
    assert set(part.tolist()) == set(range(len(fractions)))
    names = [f"part {k}" for k in range(len(fractions))]
    said = splits.missed(y, groups, part, fractions, names)
    assert bool(said) == (off(y, groups, part, fractions) > 1 + 1e-9)
    assert said == "" or "were asked for" in said


@pytest.mark.parametrize("fractions", [(0.6, 0.2, 0.2), (0.2,) * 5])
@pytest.mark.parametrize("kind", ["3 classes", "10 classes", "14 labels", "values"])
@pytest.mark.parametrize("each", [2, 3])
def test_fifteen_thousand_items_reach_what_is_asked(fractions, kind, each) -> None:
    rng = np.random.default_rng(each)
    groups = rng.permutation(np.arange(15_000) // each)
    n, unit = kind.split()[0], kind.split()[-1]
    if unit == "labels":
        y = (rng.random((15_000, 14)) < rng.uniform(0.01, 0.3, 14)).astype(float)
    else:
        y = rng.normal(size=15_000) if unit == "values" else rng.integers(0, int(n), 15_000)
    part = splits.assign(y, groups, fractions)
    assert off_fast(y, part, fractions) < 0.01
    names = [str(k) for k in range(len(fractions))]
    assert splits.missed(y, groups, part, fractions, names) == ""


def off_fast(y, part, fractions) -> float:
    """Largest distance of any share of a class or part from what is asked for, of all its items,
    beyond one group of three."""
    columns = list(splits.label_columns(y))
    return max(
        (abs(c[part == k].sum() - f * c.sum()) - 3) / c.sum()
        for c in columns for k, f in enumerate(fractions)
    )  # fmt: skip


def test_few_patients_of_a_class_are_shared_out() -> None:
    for seed in range(30):
        y = (np.arange(60) < 3).astype(int)  # three patients have the class
        part = splits.assign(y, np.arange(60), seed=seed)
        assert sorted(part[y == 1]) == [0, 1, 2]


def test_large_patients_are_in_test_as_often_as_small_ones() -> None:
    found = []
    for seed in range(400):
        rng = np.random.default_rng([seed, 1])
        sizes = np.r_[np.full(5, 10), rng.integers(1, 3, 95)]
        groups = np.repeat(np.arange(100), sizes)
        y = rng.integers(0, 2, len(groups))
        part = splits.assign(y, groups, seed=seed)
        found += [part[groups == g][0] for g in range(5)]
    shares = np.bincount(found, minlength=3) / len(found)
    assert np.abs(shares - splits.FRACTIONS).max() < 0.04  # three standard errors


def test_a_patient_with_a_third_of_all_images_trains_and_the_rest_is_balanced() -> None:
    groups = np.r_[np.arange(200), np.full(100, 200)]
    y = np.random.default_rng(0).integers(0, 2, 300)
    for seed in range(20):
        part = splits.assign(y, groups, seed=seed)
        assert np.abs(np.bincount(part) - [180, 60, 60]).max() <= 1


def test_an_item_more_leaves_portions_as_they_are_but_for_it() -> None:
    ids = np.array([f"item {i}" for i in range(1000)])
    y = np.arange(1000) % 2
    whole = splits.portion(y, ids, 0.1, 3, ids)
    without = splits.portion(y[1:], ids[1:], 0.1, 3, ids[1:])
    assert (whole[1:] != without).sum() <= 1


def test_what_was_not_reached_is_said_in_words() -> None:
    y = np.array([0] * 9 + [1])
    part = np.array([0] * 5 + [1] * 5)
    said = splits.missed(y, np.arange(10), part, (0.9, 0.1), ["train", "test"], ["no", "yes"])
    assert said == (
        "; not reached: train has 50 % of all items where 90 % were asked for, test has 50 % of "
        "all items where 10 % were asked for, test has 44.4 % of no where 10 % were asked for, "
        "and 1 more such"
    )


def test_the_hash_of_ids_is_the_same_everywhere() -> None:
    assert splits.keys(np.array(["a", "scan 1"])).tolist() == [
        int.from_bytes(blake2b(t, digest_size=8).digest(), "little") for t in (b"a", b"scan 1")
    ]
    mixed = splits.mixed(np.arange(100_000, dtype=np.uint64), [3, 1])
    assert len(np.unique(mixed)) == 100_000
    assert abs((mixed >> np.uint64(63)).mean() - 0.5) < 0.01
