"""Classes that are chosen and merged, of tasks of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.chosen_labels import choose_labels
from featprobe.datasets.load import load_dataset

NAN = float("nan")


def data_of(y: object, task: str, classes: tuple[str, ...]) -> Dataset:
    n = len(y)  # type: ignore[arg-type]
    made = Dataset.from_arrays(np.zeros((n, 4, 4), np.uint8))
    made.targets, made.task, made.classes = np.array(y), task, classes
    return made


def test_items_of_other_classes_stay_without_a_label() -> None:
    data = data_of([0, 1, 2, -1, 1], "multiclass", ("a", "b", "c"))
    notes = choose_labels(data, ["c", "b"])
    assert data.targets.tolist() == [-1, 1, 0, -1, 1]
    assert (data.classes, len(data)) == (("c", "b"), 5)
    assert notes == ["1 items are of classes that --labels leaves out: no label"]


def test_classes_are_merged_then_chosen() -> None:
    data = data_of([0, 1, 2, 3], "multiclass", ("normal", "viral", "bacterial", "other"))
    choose_labels(data, ["normal", "sick"], {"viral": "sick", "bacterial": "sick"})
    assert data.targets.tolist() == [0, 1, 1, -1]
    data = data_of([0, 1, 2], "multiclass", ("a", "b", "c"))
    choose_labels(data, merged={"c": "a"})  # into a class that is there
    assert (data.targets.tolist(), data.classes) == ([0, 1, 0], ("a", "b"))


def test_merged_labels_are_known_where_their_parts_tell() -> None:
    y = [[1, NAN, 0], [0, 0, 1], [0, NAN, 1], [NAN, 1, 0]]
    data = data_of(y, "multilabel", ("x", "y", "z"))
    choose_labels(data, merged={"x": "any", "y": "any"})
    np.testing.assert_array_equal(data.targets, [[1, 0], [0, 1], [NAN, 1], [1, 0]])
    choose_labels(data, ["z"])
    assert data.targets.tolist() == [[0], [1], [1], [0]]


def test_grades_keep_their_order() -> None:
    grades = ("none", "mild", "moderate", "severe")
    data = data_of([0, 1, 2, 3, -1], "ordinal", grades)
    choose_labels(data, ["severe", "none", "mild"])
    assert (data.classes, data.targets.tolist()) == (("none", "mild", "severe"), [0, 1, -1, 2, -1])
    assert data.task == "ordinal"
    data = data_of([0, 1, 2, 3, -1], "ordinal", grades)
    two = {"none": "no", "mild": "no", "moderate": "referable", "severe": "referable"}
    choose_labels(data, merged=two)
    assert (data.task, data.targets.tolist()) == ("multiclass", [0, 0, 1, 1, -1])
    data = data_of([0, 1, 2, 3], "ordinal", grades)
    with pytest.raises(InputError, match="merged with their neighbours"):
        choose_labels(data, merged={"severe": "none"})


@given(st.lists(st.integers(-1, 4), min_size=1), st.lists(st.sampled_from("pqr"), min_size=5))
def test_merging_is_a_map_of_names(y: list[int], new: list[str]) -> None:
    old = ("a", "b", "c", "d", "e")
    data = data_of(y, "multiclass", old)
    merged = dict(zip(old, new))
    choose_labels(data, merged=merged)
    names = [data.classes[c] if c >= 0 else None for c in data.targets]
    assert names == [merged[old[c]] if c >= 0 else None for c in y]


@pytest.mark.parametrize(
    "labels, merged, match",
    [
        (["a", "bb"], {}, "--labels 'bb': there is no such class. Did you mean 'b'"),
        (["a", "a"], {}, "'a' is given twice"),
        (["a"], {}, "one class is nothing to tell apart"),
        ([], {"d": "a"}, "--map 'd': there is no such class"),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen(labels: list[str], merged: dict[str, str], match: str) -> None:
    with pytest.raises(InputError, match=match):
        choose_labels(data_of([0, 1, 1], "multiclass", ("a", "b", "c")), labels, merged)


def test_numbers_are_no_classes() -> None:
    data = data_of([0.5, 1.5], "regression", ())
    with pytest.raises(InputError, match="is a regression"):
        choose_labels(data, ["a"])
    with pytest.raises(InputError, match="has no labels"):
        choose_labels(Dataset.from_arrays(np.zeros((2, 4, 4))), ["a"])


def test_of_a_table_a_folder_and_a_catalog_entry(tmp_path: Path, class_folders: Path) -> None:
    one, two = sorted(p.name for p in class_folders.iterdir() if p.is_dir())[:2]
    whole = load_dataset(class_folders)
    chosen = load_dataset(class_folders, labels=[two, one])
    assert chosen.classes == (two, one)
    assert chosen.fingerprint == whole.fingerprint
    digits = load_dataset("digits", label_map=["1=odd", "3=odd"], cache=tmp_path)
    assert "odd" in digits.classes
    assert len(digits.classes) == 9
    with pytest.raises(InputError, match="--map 'odd' is written NAME=PART, such as mild=ref"):
        load_dataset("digits", label_map=["odd"], cache=tmp_path)
