"""Labels as stored to targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.datasets.base import ArraySource, Dataset
from featprobe.datasets.targets import add_array, add_text

HERE = Path("labels")


def empty(n: int) -> Dataset:
    return Dataset("x", np.arange(n).astype(str), ArraySource([np.zeros((n, 2, 2))]))


@given(st.lists(st.sampled_from(["", "a", "b", "ü"]), min_size=1, max_size=30))
def test_text_classes_name_what_was_written(values):
    data = empty(len(values))
    add_text(data, values, HERE)
    assert [data.classes[t] if t >= 0 else "" for t in data.targets] == values
    assert list(data.classes) == sorted(set(values) - {""})


@given(st.lists(st.integers(-5, 9), min_size=1, max_size=30))
def test_whole_numbers_are_classes(values):
    data = empty(len(values))
    add_array(data, np.array(values), HERE)
    assert data.task == "multiclass"
    assert [int(data.classes[t]) for t in data.targets] == values


def test_named_classes_may_be_absent_or_unknown():
    data = empty(3)
    add_array(data, np.array([[2], [0], [-1]]), HERE, ("a", "b", "c"))
    assert (data.targets.tolist(), data.classes) == ([2, 0, -1], ("a", "b", "c"))
    with pytest.raises(InputError, match="labels 0 to 2, but 2 class names"):
        add_array(data, np.array([0, 1, 2]), HERE, ("a", "b"))


def test_columns_are_multilabel_and_floats_regression():
    data = empty(2)
    add_array(data, np.array([[1, np.nan], [0, 1]]), HERE, ("p", "q"))
    assert (data.task, data.classes) == ("multilabel", ("p", "q"))
    np.testing.assert_array_equal(data.targets, [[1, np.nan], [0, 1]])
    add_array(data, np.array([0.5, 3]), HERE)
    assert (data.task, data.targets.tolist()) == ("regression", [0.5, 3.0])
    with pytest.raises(InputError, match="2 label columns hold other values than 0 and 1"):
        add_array(data, np.array([[1, 2], [0, 1]]), HERE)
    with pytest.raises(InputError, match="are no numbers"):
        add_array(data, np.array(["a", "b"]), HERE)


def test_ordinal_text_keeps_the_order_of_numbers():
    data = empty(4)
    add_text(data, ["10", "9", "", "10"], HERE, "ordinal")
    assert (data.classes, data.targets.tolist()) == (("9", "10"), [1, 0, -1, 1])
