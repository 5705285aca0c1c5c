"""Features of several backbones side by side: how views are read, and what the rows are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import normalize

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName
from featprobe.features.joined import JoinedFeatures
from featprobe.features.joined_views import JoinedPart, joined_parts, written
from featprobe.features.labeled_items import ExcludedItem
from tests.conftest import make_tiny


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("cls", []),
        ("cls:4+mean", []),
        ("cls@-3+mean@6", []),
        ("a:cls + b:mean", [("a", "cls", False), ("b", "mean", False)]),
        ("a:cls+b:mean", [("a", "cls", False), ("b", "mean", False)]),
        ("a:cls:4+mean+b:cls", [("a", "cls:4+mean", False), ("b", "cls", False)]),
        ("a + b", [("a", "", False), ("b", "", False)]),
        ("a:cls", [("a", "cls", False)]),
        ("unit(a:cls) + b:mean", [("a", "cls", True), ("b", "mean", False)]),
        ("unit(a:cls+mean)+unit(b)", [("a", "cls+mean", True), ("b", "", True)]),
        ("timm:resnet18:cls + b@448:cls@-2", [("timm:resnet18", "cls", False),
                                              ("b@448", "cls@-2", False)]),
        ("my+vit:cls + b:mean", [("my+vit", "cls", False), ("b", "mean", False)]),
        ("my+vit:cls+b:mean", [("my+vit", "cls", False), ("b", "mean", False)]),
        ("org/name:cls + b", [("org/name", "cls", False), ("b", "", False)]),
    ],
)  # fmt: skip
def test_a_view_names_backbones_and_the_view_of_each(text, parts) -> None:
    assert list(joined_parts(text)) == [JoinedPart(*p) for p in parts]
    if parts:
        assert joined_parts(written(joined_parts(text))) == joined_parts(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:cls + a:cls", "a:cls is there twice"),
        ("unit(a:cls) + a:cls", "a:cls is there twice"),
        ("a:cls + ", "is not understood"),
        (" + b:cls", "is not understood"),
        ("a:cls + :mean", "is not understood"),
        ("unit(a:cls + b:mean", "is not understood"),
        ("cls + mean", "has spaces: write 'cls\\+mean'"),
    ],
)
def test_what_is_not_understood_is_said_in_one_line(text, said) -> None:
    with pytest.raises(InputError, match=said):
        joined_parts(text)


@given(st.text("ab:+ ()unitcls4@-", max_size=24))
def test_any_text_is_a_view_or_an_input_error(text: str) -> None:
    try:
        parts = joined_parts(text)
    except InputError:
        return
    assert joined_parts(written(parts)) == parts or not parts


def two(n: int = 30, shuffled: bool = True, **changes):
    """Two feature sets of the same items, the second in another order and 100 times as large."""
    rng = np.random.default_rng(0)
    y, ids = np.arange(n) % 3, np.array([f"i{k:02}" for k in range(n)])
    groups = np.array([f"p{k // 2}" for k in range(n)])
    split = np.array(["train", "val", "test"])[np.arange(n) // 2 % 3]
    order = rng.permutation(n) if shuffled else np.arange(n)
    a, b = rng.normal(size=(n, 4)), 100 * rng.normal(size=(n, 3, 2)) + y[:, None, None]
    base = {"y": y, "ids": ids, "groups": groups, "split": split}
    other = {k: changes.get(k, v)[order] for k, v in base.items()}
    one = fp.FeatureSet.from_arrays({"cls": a, "mean": a + 1}, backbone="a", **base)
    return one, fp.FeatureSet.from_arrays({"mean": b[order]}, backbone="b", **other), a, b


def test_rows_are_those_of_numpy_matched_by_item() -> None:
    one, other, a, b = two()
    joint = JoinedFeatures({"a": one, "b": other})
    plain = np.hstack([a, b[:, -1]]).astype(np.float32)
    np.testing.assert_array_equal(joint.x("a:cls + b:mean"), plain)
    np.testing.assert_array_equal(joint.x(), plain)  # the default views
    wide = np.hstack([b.reshape(len(b), -1), a, a + 1]).astype(np.float32)
    np.testing.assert_allclose(joint.x("b:mean:3 + a:cls+mean"), wide)
    unit = np.hstack([normalize(a), normalize(b[:, -1])])
    np.testing.assert_allclose(joint.x("unit(a:cls) + unit(b:mean)"), unit, rtol=1e-5)
    for name in ("ids", "groups", "split", "y"):
        np.testing.assert_array_equal(getattr(joint, name), getattr(one, name))
    assert joint.items.labels_digest == one.items.labels_digest
    assert joint.backbone == "a + b"
    assert joint.key.parts == {"a": one.key.to_dict(), "b": other.key.to_dict()}


def test_the_joint_key_changes_with_each_part_alone() -> None:
    one, other, *_ = two()
    keys = [
        JoinedFeatures(parts).key.digest
        for parts in ({"a": one, "b": other}, {"a": one}, {"b": other}, {"a": other, "b": other})
    ]
    assert len(set(keys)) == 4
    assert one.key.digest not in keys
    assert JoinedFeatures({"a": one, "b": other}).key.digest == keys[0]


def test_the_cosine_of_unit_parts_is_the_mean_of_their_cosines() -> None:
    one, other, a, b = two()
    x = JoinedFeatures({"a": one, "b": other}).x("unit(a:cls) + unit(b:mean)")
    cosines = [normalize(v) @ normalize(v).T for v in (a, b[:, -1])]
    np.testing.assert_allclose(normalize(x) @ normalize(x).T, np.mean(cosines, axis=0), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ids": np.array([f"i{k + 1:02}" for k in range(30)])},
         "not of the same items: 30 and 30, 2 are in one alone, first 'i00'"),
        ({"y": np.arange(30) // 3 % 3}, "have other labels of the same items"),
        ({"groups": np.array([f"p{k // 3}" for k in range(30)])}, "other patients of the same"),
        ({"split": np.array(["train", "test", "val"])[np.arange(30) // 2 % 3]}, "other splits"),
    ],
    ids=["ids", "labels", "patients", "split"],
)  # fmt: skip
def test_parts_of_other_items_are_refused(changes, said) -> None:
    one, other, *_ = two(**changes)
    with pytest.raises(InputError, match=said):
        JoinedFeatures({"a": one, "b": other})


def test_patients_may_be_called_otherwise() -> None:
    one, other, *_ = two(groups=np.array([f"case {k // 2}" for k in range(30)]))
    assert len(JoinedFeatures({"a": one, "b": other})) == 30


@pytest.mark.parametrize(
    ("view", "error", "said"),
    [
        ("cls", InputError, "names no backbone, and a \\+ b are joined"),
        ("a:cls + c:mean", UnknownName, "'c' is not one of the joined a, b"),
        ("a:cls + b:cls", UnknownName, "arrays / b has no 'cls'"),
        ("a:cls + b:mean:9", InputError, "it has mean .3 blocks."),
    ],
)
def test_views_that_are_not_there_name_what_is(view, error, said) -> None:
    one, other, *_ = two()
    with pytest.raises(error, match=said):
        JoinedFeatures({"a": one, "b": other}).x(view)


def test_one_backbone_says_that_it_is_not_joined() -> None:
    with pytest.raises(InputError, match="names backbones, and these are features of a alone"):
        two()[0].x("a:cls + b:mean")


def test_several_labels_and_values_are_joined_too() -> None:
    rng = np.random.default_rng(1)
    for task, y in (
        ("multilabel", rng.integers(-1, 2, (12, 2))),
        ("regression", rng.normal(12, 1, 12)),
    ):
        y = y.astype(float)
        y[y == -1] = np.nan
        parts = {
            n: fp.FeatureSet.from_arrays(rng.normal(size=(12, 3)), y, task=task, backbone=n)
            for n in "ab"
        }
        joint = JoinedFeatures(parts)
        assert joint.task == task
        np.testing.assert_array_equal(joint.y, parts["a"].y)
        assert joint.x().shape == (12, 6)


def test_items_that_a_part_lacks_are_left_out_with_its_reason(tiny_backbone, class_folders) -> None:
    data = fp.load_dataset(class_folders)
    whole = fp.extract(tiny_backbone, data)
    part = fp.extract(make_tiny(1), data)
    kept = np.delete(np.arange(len(part)), [3, 7])
    part._rows = tuple(a[kept] for a in part._rows)  # as where two items failed
    part.left_out = [ExcludedItem(str(whole.ids[i]), "cut short") for i in (3, 7)]
    joint = JoinedFeatures({"a": whole, "b": part})
    assert len(joint) == len(whole) - 2
    expected = np.hstack([whole.x()[kept], part.x()])
    np.testing.assert_array_equal(joint.x(), expected)
    assert {e.reason for e in joint.left_out} == {"b: cut short"}
    np.testing.assert_array_equal(joint.bags().frames, expected)  # one frame an item
