"""Data sets made of one's own arrays, files and frames; obvious mistakes get one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from featprobe.core.errors import InputError, MissingPath
from featprobe.datasets.base import Dataset
from featprobe.datasets.encode import encode

GREY = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)


def test_arrays_become_items_with_their_columns() -> None:
    data = Dataset.from_arrays(
        GREY, ["b", "a", None, "b"], groups=[7, 7, 8, 9], split=["train", "train", "val", "test"]
    )
    assert data.ids.tolist() == ["0", "1", "2", "3"]
    assert data.classes == ("a", "b")
    assert data.targets is not None
    assert data.targets.tolist() == [1, 0, -1, 1]
    assert data.groups.tolist() == ["7", "7", "8", "9"]
    assert data.split.tolist() == ["train", "train", "val", "test"]
    np.testing.assert_array_equal(data.read(2)[0], GREY[2])


@pytest.mark.parametrize(
    ("images", "more", "shape"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), {}, (1, 4, 4, 3)),
        (np.zeros((2, 9, 4, 4)), {"volumes": True}, (9, 4, 4)),
        ([np.zeros((4, 4)), np.zeros((6, 8))], {}, (1, 6, 8)),
        ([np.zeros((4, 4, 3)), np.zeros((6, 8))], {}, (1, 6, 8)),
        (np.zeros((2, 4, 4), bool), {}, (1, 4, 4)),
    ],
)
def test_every_form_of_images_is_read(images, more, shape: tuple[int, ...]) -> None:
    data = Dataset.from_arrays(images, **more)
    assert len(data) == 2
    assert data.read(1).shape == shape


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 4, 4)), r"got shape \(2, 3, 4, 4\); colours come last.*transpose"),
        (np.zeros((2, 5, 4, 4)), "volumes=True"),
        (np.zeros((4, 4)), r"images\[None\]"),
        (np.zeros((0, 4, 4)), r"got shape \(0, 4, 4\)"),
        (np.array([["a"]]), "expected numbers, got an array of <U1"),
        ("films/", "for files use from_files"),
        (["a.png"], "for files use from_files"),
        ([], "the list is empty"),
    ],
)
def test_what_is_no_picture_is_named(images, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Dataset.from_arrays(images)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"y": [0, 1]}, "expected 4 targets, one an item, got 2"),
        ({"y": "abab"}, "expected one target an item"),
        ({"y": [0.5, 1, 0, 1]}, "0.5 is no class; .* task='regression'"),
        ({"y": [0, 1, 2, 3], "classes": ("a", "b")}, "class 2, but there are 2 names"),
        ({"y": list("abac"), "classes": ("a", "b")}, "'c' is none of the classes a, b"),
        ({"y": [[0, 2]] * 4}, "labels are 0, 1, or NaN where unknown; got 2"),
        ({"y": [[0, 1]] * 4, "classes": ("a",)}, "expected 2 names of labels, got 1"),
        ({"y": [0, 1, 0, 1], "classes": "ab"}, "expected a list of names, got the text"),
        ({"y": [0, 1, 0, 1], "task": "multiclas"}, "'multiclas' is none of"),
        ({"y": [0, 1, 0, 1], "task": "multilabel"}, "has another shape"),
        ({"y": list("abab"), "task": "regression"}, "expected numbers"),
        ({"classes": ("a", "b")}, "give y too"),
        ({"groups": "patient"}, "groups: expected one value an item"),
        ({"groups": [1, 2, 3]}, "groups: expected 4 values, one an item, got 3"),
        ({"groups": [1, 2, None, 3]}, "groups: item 2 has none"),
        ({"groups": [[1], [2], [3], [4]]}, "got lists of values"),
        ({"split": ["train", "train", "test", "dev"]}, "'dev' is none of train, val, test"),
        ({"ids": ["a", "a", "b", "c"]}, "occur more than once, first 'a'"),
    ],
)
def test_a_mistake_in_a_column_is_one_line(columns, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        Dataset.from_arrays(GREY, **columns)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("y", "more", "values", "classes"),
    [
        ([10, 2, 10, 1], {}, [2, 1, 2, 0], ("1", "2", "10")),
        ([1.0, np.nan, 0.0, 1.0], {}, [1, -1, 0, 1], ("0", "1")),
        ([0, -1, 1, 0], {"classes": ("no", "yes")}, [0, -1, 1, 0], ("no", "yes")),
        ([-1, 1, 1, -1], {}, [0, 1, 1, 0], ("-1", "1")),
        ([True, False, True, True], {}, [1, 0, 1, 1], ("False", "True")),
        ([3, 0, 4, 0], {"task": "ordinal"}, [1, 0, 2, 0], ("0", "3", "4")),
        (pd.Series(["a", None, "b", "a"]), {}, [0, -1, 1, 0], ("a", "b")),
        ([1.5, 2, None, 3], {"task": "regression"}, [1.5, 2, np.nan, 3], ()),
    ],
)
def test_targets_of_one_column(y, more, values, classes: tuple[str, ...]) -> None:
    found = encode(y, 4, **more)
    np.testing.assert_array_equal(found.values, values)
    assert found.classes == classes


def test_columns_of_a_frame_name_the_labels() -> None:
    found = encode(pd.DataFrame({"Edema": [1, 0, -1], "Effusion": [0, np.nan, 1]}), 3)
    assert found.classes == ("Edema", "Effusion")
    np.testing.assert_array_equal(found.values, [[1, 0], [0, np.nan], [np.nan, 1]])
    assert found.task == "multilabel"


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for i in range(3):
        (tmp_path / f"p{i}").mkdir()
        Image.fromarray(np.full((4, 5), 10 * i, np.uint8)).save(tmp_path / f"p{i}" / "film.png")
    return tmp_path


def test_files_become_items_named_below_their_common_folder(films: Path) -> None:
    data = Dataset.from_files([films / f"p{i}" / "film.png" for i in range(3)], [0, 1, 1])
    assert data.ids.tolist() == ["p0/film.png", "p1/film.png", "p2/film.png"]
    assert data.read(2).max() == 20
    with pytest.raises(MissingPath, match=r"item 1: .*none\.png is no file"):
        Dataset.from_files([films / "p0" / "film.png", films / "none.png"])
    with pytest.raises(InputError, match="for a folder use load_dataset"):
        Dataset.from_files(films)
    with pytest.raises(InputError, match="item 0 is no path"):
        Dataset.from_files([3])


def test_rows_of_a_frame_become_items(films: Path) -> None:
    frame = pd.DataFrame({
        "file": [f"p{i}/film.png" for i in range(3)], "sick": ["no", "yes", "no"],
        "who": [1, 1, 2], "part": ["train", "train", "test"],
    })  # fmt: skip
    data = Dataset.from_frame(frame, "file", "sick", group="who", split="part", root=films)
    assert data.classes == ("no", "yes")
    assert data.groups.tolist() == ["1", "1", "2"]
    assert data.split.tolist() == ["train", "train", "test"]
    with pytest.raises(InputError, match="no column 'sik'. Did you mean 'sick'"):
        Dataset.from_frame(frame, "file", "sik", root=films)
    with pytest.raises(InputError, match="expected a pandas DataFrame, got list"):
        Dataset.from_frame([frame], "file", "sick")
    frame.loc[1, "file"] = None
    with pytest.raises(InputError, match="column 'file' is blank in row 1"):
        Dataset.from_frame(frame, "file", "sick", root=films)


def test_a_source_of_ones_own_need_not_say_which_readers_it_has() -> None:
    class Silent:
        def frames(self, i, recipe) -> int:
            return 1

    assert Dataset("own", np.array(["a", "b"]), Silent()).kinds() == set()
