"""Protocols: which rows train, select and test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.evaluation.protocols import CrossVal, FewShot, Full, LeaveOneOut, make_split, parse
from featprobe.splits.partition import Partitioner, Split, cut

NONE = np.full(60, "")


def patients(n: int = 60, each: int = 2) -> np.ndarray:
    return np.array([f"p{i // each}" for i in range(n)])


def test_an_official_split_is_kept_and_val_is_cut_from_train() -> None:
    official = np.array(["train"] * 40 + ["test"] * 20)
    y, groups = np.arange(60) % 2, patients()
    s = make_split(y, groups, official, origin="folders")
    assert s.test.tolist() == list(range(40, 60))
    assert sorted([*s.train, *s.val]) == list(range(40))
    assert not set(groups[s.train]) & set(groups[s.val])
    assert "folders" in s.origin
    assert "val is a fifth of train" in s.origin


def test_patients_that_an_official_split_lets_cross_are_counted() -> None:
    official = np.array(["train"] * 39 + ["val"] * 2 + ["test"] * 19)
    s = make_split(np.arange(60) % 2, patients(), official)
    assert s.crossing == 1  # p20 has item 40 in val and item 41 in test
    assert (len(s.train), len(s.val), len(s.test)) == (39, 2, 19)


def test_an_official_split_without_test_is_an_error() -> None:
    with pytest.raises(InputError, match="has no test items"):
        make_split(np.arange(60) % 2, patients(), np.full(60, "train"), origin="column 'split'")


def test_the_split_says_how_it_was_made() -> None:
    y, groups = np.arange(60) % 2, patients()
    s = make_split(y, groups, NONE, seed=3, grouping="file names")
    d = s.to_dict(np.arange(60).astype(str), groups)
    assert d["seed"] == 3
    assert d["grouping"] == "file names"
    assert "no patient in two parts" in d["origin"]
    assert sum(d["items"].values()) == 60
    assert sum(d["groups"].values()) == 30


@given(
    st.integers(0, 1000),
    st.integers(1, 6),
    st.sampled_from(["item", "patient"]),
    st.integers(0, 9),
)
def test_a_draw_stays_in_train_and_has_the_asked_number(seed, shots, by, attempt) -> None:
    y, groups = np.arange(60) % 3, patients(each=4)
    s = make_split(y, groups, NONE, seed=seed)
    rows = FewShot(by=by, seed=seed).draws(y, groups, s.train)(shots, attempt)
    assert set(rows) <= set(s.train)
    for c in range(3):
        mine, have = rows[y[rows] == c], s.train[y[s.train] == c]
        if by == "item":
            assert len(mine) == min(shots, len(have))
            assert len(set(groups[mine])) == min(shots, len(set(groups[have])))
        else:
            assert len(set(groups[mine])) == min(shots, len(set(groups[have])))
            assert len(mine) == np.isin(groups[have], groups[mine]).sum()


def test_draws_are_nested_repeatable_and_differ_between_tries() -> None:
    y, groups, train = np.arange(200) % 2, np.arange(200).astype(str), np.arange(150)
    draw = FewShot(seed=1).draws(y, groups, train)
    four = draw(4, 0)
    assert set(four) <= set(draw(8, 0))
    assert (four == FewShot(seed=1).draws(y, groups, train)(4, 0)).all()
    assert set(four) != set(draw(4, 1))


def test_multilabel_draws_have_positives_of_each_label_and_negatives() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((100, 3)) < 0.2).astype(float)
    rows = FewShot().draws(y, np.arange(100).astype(str), np.arange(100))(3, 0)
    assert (y[rows].sum(0) >= 3).all()
    assert (y[rows].sum(1) == 0).sum() == 3


def test_a_protocol_is_found_by_name() -> None:
    assert parse("full") == Full()
    assert parse("fewshot") == FewShot()
    assert parse("loo") == LeaveOneOut()
    with pytest.raises(InputError, match="unknown protocol 'zero'"):
        parse("zero")


def test_shots_must_be_positive() -> None:
    with pytest.raises(InputError, match="at least 1"):
        FewShot(shots=(0, 1))


def test_where_no_test_is_published_the_official_val_is_the_test() -> None:
    official = np.array(["train"] * 40 + ["val"] * 20)
    s = make_split(np.arange(60) % 2, patients(), official, origin="official: train.csv, valid.csv")
    assert s.test.tolist() == list(range(40, 60))
    assert sorted([*s.train, *s.val]) == list(range(40))
    assert "test is the official val" in s.origin


def test_leave_one_out_needs_a_second_patient() -> None:
    split = LeaveOneOut().split(Partitioner(np.arange(6) % 2, patients(6)))
    assert split.test.tolist() == list(range(6))
    assert not len(split.train)
    assert not len(split.val)
    with pytest.raises(InputError, match="there is one patient"):
        LeaveOneOut().split(Partitioner(np.arange(6) % 2, np.full(6, "p")))


@given(st.integers(0, 1000), st.integers(1, 4))
def test_no_draw_overlaps_val_or_test_or_shares_a_patient_with_them(seed, each) -> None:
    """Also where the data set brings train and test, and val is cut from train."""
    y, groups = np.arange(60) % 2, patients(each=each)
    for official in (NONE, np.array(["train"] * 40 + ["test"] * 20)):
        s = make_split(y, groups, official, seed=seed)
        elsewhere = np.r_[s.val, s.test] if official is NONE else s.val
        for by in ("item", "patient"):
            rows = FewShot(by=by, seed=seed).draws(y, groups, s.train)(16, 0)
            assert not set(rows) & set(np.r_[s.val, s.test])
            assert not set(groups[rows]) & set(groups[elsewhere])


@given(st.integers(0, 1000), st.integers(1, 4), st.floats(0.01, 0.99), st.booleans())
def test_a_cut_is_of_train_and_val_and_leaves_test(seed, each, fraction, official) -> None:
    y, groups = np.arange(60) % 2, patients(each=each)
    parts = np.array(["train"] * 40 + ["test"] * 20) if official else NONE
    whole = make_split(y, groups, parts, seed=seed, origin="files" if official else "")
    s = cut(whole, Partitioner(y, groups), fraction, seed)
    assert s.test is whole.test
    for name in ("train", "val"):
        rows, before = getattr(s, name), getattr(whole, name)
        assert set(rows) <= set(before)
        assert not set(groups[rows]) & set(groups[np.setdiff1d(before, rows)])
        assert set(y[rows]) == set(y[before])
        n = len(set(groups[before]))
        assert abs(len(set(groups[rows])) - fraction * n) <= 3
    assert s.crossing <= whole.crossing
    assert f"{100 * fraction:g} % of their patients" in s.origin
    assert s.origin.startswith(whole.origin)


def test_patients_that_cross_are_counted_after_the_cut() -> None:
    y, groups = np.arange(60) % 2, np.arange(60)
    groups[40:] = np.arange(20)  # every patient of test is in train
    official = np.array(["train"] * 36 + ["val"] * 4 + ["test"] * 20)
    whole = make_split(y, groups, official)
    s = cut(whole, Partitioner(y, groups), 0.1, 0)
    assert whole.crossing == 20
    assert s.crossing == len(set(groups[np.r_[s.train, s.val]]) & set(range(20)))
    assert s.crossing < 5


def test_a_subset_of_all_is_not_said_and_changes_nothing() -> None:
    assert Full(seed=2).to_dict() == {
        "seed": 2, "refit": True, "split_version": 2, "name": "full"
    }  # fmt: skip
    assert Full(subset=0.1).to_dict()["subset"] == 0.1
    y, groups = np.arange(60) % 2, patients()
    whole = make_split(y, groups, NONE)
    assert cut(whole, Partitioner(y, groups), 1, 0) is whole


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_a_subset_is_above_0_and_at_most_1(fraction) -> None:
    with pytest.raises(InputError, match="above 0 and at most 1"):
        Full(subset=fraction)


def shuffled(y, groups, official, seed):
    """Items with ids, and the same in another order with patients of other names."""
    ids = np.array([f"scan {7 * i % 61:02d}" for i in range(len(y))])
    order = np.random.default_rng(seed).permutation(len(y))
    renamed = np.array([f"q{g[::-1]}" for g in groups])
    return (
        (Partitioner(y, groups, ids), official),
        (Partitioner(y[order], renamed[order], ids[order]), official[order]),
    )


def by_id(split: Split, ids: np.ndarray) -> list[list[str]]:
    every = [split, *split.inner]
    return [sorted(ids[getattr(s, n)]) for s in every for n in ("train", "val", "test")]


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
@pytest.mark.parametrize("official", ["", "train and test"])
@given(seed=st.integers(0, 1000), each=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_a_seed_is_bound_to_ids_not_to_the_order_of_rows(kind, official, seed, each) -> None:
    rng = np.random.default_rng(seed)
    y = {
        "classes": np.arange(60) % 3,
        "labels": np.where(rng.random((60, 3)) < 0.1, np.nan, rng.random((60, 3)) < 0.3) * 1.0,
        "values": rng.normal(size=60),
    }[kind]
    parts = np.array(["train"] * 40 + ["test"] * 20) if official else NONE
    one, other = shuffled(y, patients(each=each), parts, seed)
    protocols = [Full(seed), Full(seed, subset=0.3), CrossVal(3, seed)]
    for protocol in protocols:
        a, b = (protocol.split(d, o) for d, o in (one, other))
        assert by_id(a, one[0].ids) == by_id(b, other[0].ids)
        first, second = (s.to_dict(d.ids, d.groups) for s, (d, _) in ((a, one), (b, other)))
        assert first["digest"] == second["digest"]
        assert first["origin"] == second["origin"]
    if kind != "values":
        for by in ("item", "patient"):
            drawn = []
            for d, o in (one, other):
                s = Full(seed).split(d, o)
                rows = FewShot(by=by, seed=seed).draws(d.y, d.groups, s.train, d.ids)(2, 1)
                drawn.append(sorted(d.ids[rows]))
            assert drawn[0] == drawn[1]


def test_folds_are_each_test_once_and_part_of_the_digest() -> None:
    y, groups = np.arange(60) % 2, patients()
    ids = np.arange(60).astype(str)
    one, other = (CrossVal(4, seed).split(Partitioner(y, groups, ids)) for seed in (0, 1))
    tested = np.concatenate([s.test for s in one.inner])
    assert sorted(tested) == list(range(60))
    for s in one.inner:
        assert sorted([*s.train, *s.val, *s.test]) == list(range(60))
        for a, b in (("train", "val"), ("train", "test"), ("val", "test")):
            assert not set(groups[getattr(s, a)]) & set(groups[getattr(s, b)])
    assert one.to_dict(ids, groups)["digest"] != other.to_dict(ids, groups)["digest"]
    with pytest.raises(InputError, match="3 patients cannot be split into 4 folds"):
        CrossVal(4).split(Partitioner(y[:6], groups[:6]))


def test_only_what_is_drawn_has_a_version() -> None:
    y, groups = np.arange(100) % 2, np.arange(100)
    assert Full().split(Partitioner(y, groups)).to_dict(groups, groups)["version"] == 2
    official = np.array(["train"] * 60 + ["val"] * 20 + ["test"] * 20)
    whole = Full().split(Partitioner(y, groups), official, "files")
    assert (whole.version, whole.seed) == (None, None)
    assert Full(subset=0.5).split(Partitioner(y, groups), official, "files").version == 2


def test_a_version_that_there_is_not_is_refused() -> None:
    for made in (Full, FewShot, CrossVal):
        with pytest.raises(InputError, match="split version 3: there are 1 and 2"):
            made(split_version=3)


@pytest.mark.parametrize("subset", [1.0, 0.5])
def test_repeats_are_fresh_random_splits_with_the_correction_for_their_overlap(subset) -> None:
    y, groups = np.arange(120) % 2, patients(120)
    ids = np.arange(120).astype(str)
    s = Full(3, subset=subset, repeats=6).split(Partitioner(y, groups, ids))
    assert len(s.inner) == 6
    assert len({tuple(i.test) for i in s.inner}) == 6
    assert set(s.test) == {r for i in s.inner for r in i.test}
    for i in s.inner:
        assert not set(groups[i.test]) & set(groups[np.r_[i.train, i.val]])
    assert s.shared == pytest.approx(12 / (48 * subset), rel=0.1)
    assert s.origin.startswith("made here, 6 times anew: 60/20/20")
    again = Full(3, subset=subset, repeats=6).split(Partitioner(y, groups, ids))
    assert s.to_dict(ids, groups) == again.to_dict(ids, groups)
    other = Full(4, subset=subset, repeats=6).split(Partitioner(y, groups, ids))
    assert s.to_dict(ids, groups)["digest"] != other.to_dict(ids, groups)["digest"]


def test_repeats_with_an_official_test_leave_it_and_draw_train_anew() -> None:
    y, groups = np.arange(120) % 2, patients(120)
    official = np.array(["train"] * 80 + ["test"] * 40)
    s = Full(repeats=5).split(Partitioner(y, groups), official, "files")
    assert s.shared == pytest.approx(4)  # a fifth is left out
    half = Full(subset=0.5, repeats=5).split(Partitioner(y, groups), official, "files")
    assert half.shared == pytest.approx(0.4 / 0.6, rel=0.1)
    assert s.to_dict(groups, groups)["shared"] == s.shared
    for i in s.inner:
        assert i.test.tolist() == list(range(80, 120))
        fit = np.unique(groups[np.r_[i.train, i.val]])
        assert abs(len(fit) - 32) <= 3
    assert len({tuple(i.train) for i in s.inner}) == 5
    assert "5 fits to 80 % of these patients" in s.origin


def test_one_repeat_is_the_split_itself_and_is_not_said() -> None:
    y, groups = np.arange(60) % 2, patients()
    assert not Full(repeats=1).split(Partitioner(y, groups)).inner
    assert "repeats" not in Full(repeats=1).to_dict()
    assert Full(repeats=3).to_dict()["repeats"] == 3
    with pytest.raises(InputError, match="repeats 0 must be at least 1"):
        Full(repeats=0)


def test_shots_by_item_are_what_stored_results_call_by_sample() -> None:
    assert FewShot(by="item") == FewShot(by="sample")
    assert FewShot(by="item").to_dict()["by"] == "item"
    with pytest.raises(InputError, match="choose item or patient"):
        FewShot(by="study")
