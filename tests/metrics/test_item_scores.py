"""Scores of test items: joined by unit, restricted, put in another order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.metrics.item_scores import ItemScores

IDS = np.array(["a1", "a2", "b1", "c1", "c2"])
GROUPS = np.array(["a", "a", "b", "c", "c"])


def of_classes(y=(0, 0, 1, 1, 1), **changes) -> ItemScores:
    second = np.array([0.1, 0.5, 0.6, 0.3, 0.9])
    fields = {
        "task": "multiclass", "ids": IDS, "y": np.array(y), "groups": GROUPS,
        "tries": [np.stack([1 - second, second], axis=1)], "classes": ("healthy", "ill"),
    }  # fmt: skip
    return ItemScores(**{**fields, **changes})


def test_scores_of_a_patient_are_averaged() -> None:
    found = of_classes().by_unit(GROUPS)
    assert found.ids.tolist() == found.groups.tolist() == ["a", "b", "c"]
    assert found.y.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.tries[0][:, 1], [0.3, 0.6, 0.6])
    np.testing.assert_allclose(found.tries[0].sum(1), 1)


def test_the_maximum_of_class_probabilities_sums_to_one() -> None:
    found = of_classes().by_unit(GROUPS, "max").tries[0]
    np.testing.assert_allclose(found[0], np.array([0.9, 0.5]) / 1.4)
    np.testing.assert_allclose(found.sum(1), 1)
    labels = of_classes(task="multilabel", y=np.ones((5, 2))).by_unit(GROUPS, "max").tries[0]
    np.testing.assert_allclose(labels[0], [0.9, 0.5])  # independent labels are left as they are


def test_a_label_of_a_patient_is_positive_where_any_item_is_and_unknown_where_all_are() -> None:
    nan = np.nan
    y = np.array([[0, nan, 0], [1, nan, nan], [nan, 0, 1], [0, nan, 0], [0, 1, 0]])
    found = of_classes(task="multilabel", y=y, tries=[np.zeros((5, 3))]).by_unit(GROUPS).y
    np.testing.assert_array_equal(found, [[1, nan, 0], [nan, 0, 1], [0, 1, 0]])


def test_numbers_of_a_patient_must_agree() -> None:
    numbers = of_classes(task="regression", y=np.array([3.0, 3, 1, 2, 2]), classes=())
    assert numbers.by_unit(GROUPS).y.tolist() == [3, 1, 2]


def test_a_patient_with_contradicting_classes_is_named() -> None:
    with pytest.raises(InputError, match=r"a: its items have different targets \(a1: healthy, a2"):
        of_classes(y=(0, 1, 1, 0, 1)).by_unit(GROUPS)


def test_a_study_of_two_patients_is_named() -> None:
    with pytest.raises(InputError, match=r"s: its items have different patients \(b1: b, c1: c\)"):
        of_classes().by_unit(np.array(["r", "r", "s", "s", "s"]))


def test_scores_are_joined_by_mean_or_max_only() -> None:
    with pytest.raises(InputError, match="mean or max, not 'median'"):
        of_classes().by_unit(GROUPS, "median")


def test_folds_are_joined_apart() -> None:
    whole = of_classes()
    folds = [np.array([0, 1, 2]), np.array([3, 4])]
    cut = of_classes(tries=[whole.tries[0][f] for f in folds], rows=folds).by_unit(GROUPS)
    joined = whole.by_unit(GROUPS).tries[0]
    assert [r.tolist() for r in cut.rows or ()] == [[0, 1], [2]]
    np.testing.assert_allclose(np.concatenate(list(cut.tries)), joined)


def random_folds(seed: int) -> ItemScores:
    """Items in three folds, in any order within them."""
    rng = np.random.default_rng(seed)
    fold = rng.permutation(np.arange(24) % 3)
    rows = [rng.permutation(np.flatnonzero(fold == k)) for k in range(3)]
    p = rng.random((24, 2))
    return ItemScores(
        "multilabel", rng.permutation(24).astype(str), rng.integers(0, 2, (24, 2)).astype(float),
        rng.integers(0, 9, 24), [p[r] for r in rows], rows,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_another_order_of_items_gives_the_same_metrics(seed: int) -> None:
    scored = random_folds(seed)
    ids = np.random.default_rng(seed).permutation(scored.ids)
    moved = scored.in_order(ids)
    assert (moved.ids == ids).all()
    for name, value in scored.values().items():
        np.testing.assert_allclose(moved.values()[name], value, err_msg=name)
    back = moved.in_order(scored.ids)
    assert (back.y == scored.y).all()
    assert (back.groups == scored.groups).all()
    assert all((np.sort(a) == b).all() for a, b in zip(scored.rows or (), back.rows or ()))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_some_items_are_scored_as_if_the_others_had_never_been(seed: int) -> None:
    scored = random_folds(seed)
    keep = np.random.default_rng(seed).random(24) < 0.7
    keep[0] = True
    part = scored.only(keep)
    of = dict(zip(scored.ids, range(24)))
    for rows, p in part.parts():
        whole = [of[i] for i in part.ids[rows]]
        assert (part.y[rows] == scored.y[whole]).all()
        for r, every in scored.parts():
            if set(whole) <= set(r.tolist()):
                np.testing.assert_array_equal(p, every[np.isin(r, whole)])
    assert sum(len(r) for r, _ in part.parts()) == keep.sum()


def test_a_mean_leaves_out_tries_without_a_value() -> None:
    folds = [np.arange(3), np.array([3, 4])]  # the second holds one class
    whole = of_classes()
    cut = of_classes(tries=[whole.tries[0][f] for f in folds], rows=folds)
    assert cut.mean(["auroc"]) == {"auroc": 1.0}
    assert np.isnan(cut.values(["auroc"])["auroc"]).tolist() == [False, True]
