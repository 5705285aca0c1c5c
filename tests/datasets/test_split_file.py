"""Split files: written, applied, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError, MissingPath
from featprobe.datasets.split_file import everybody, write_split


@pytest.fixture
def written(class_folders: Path, tmp_path: Path) -> Path:
    data = fp.load_dataset(class_folders)
    part = data.split.astype("<U5")
    part[:] = ["test" if i % 4 == 0 else "val" if i % 4 == 1 else "train" for i in range(40)]
    write_split(tmp_path / "s.csv", data.ids, data.groups, part)
    return tmp_path / "s.csv"


def test_a_split_file_becomes_the_official_split(written, class_folders, tiny_backbone) -> None:
    data = fp.load_dataset(class_folders, split=written)
    assert (data.split == "test").sum() == 10
    assert data.split_origin == "file s.csv"
    found = fp.evaluate(fp.extract(tiny_backbone, data), "prototype")[0]
    assert found.split["origin"] == "file s.csv"
    assert found.split["items"] == {"train": 20, "val": 10, "test": 10}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("normal/normal00_0.png,", "normal/other.png,", "has no item 'normal/normal00_0.png'"),
        ("normal/normal00_0.png,normal00,test\n", "", r"has no item .*\(1 such\)"),
        (",test\n", ",tset\n", "split 'tset' is none of train, val, test"),
        ("sick/sick00_1.png", "sick/sick00_0.png", "'sick/sick00_0.png' occurs twice"),
        ("id,group,split", "name,group,part", "columns id and split"),
    ],
)
def test_a_file_of_other_data_is_refused(written, class_folders, old, new, message) -> None:
    text = written.read_text()
    assert old in text
    written.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        fp.load_dataset(class_folders, split=written)


def test_items_that_the_data_lacks_are_refused(written, class_folders) -> None:
    written.write_text(written.read_text() + "sick/gone.png,x,train\n")
    with pytest.raises(InputError, match="names unknown item 'sick/gone.png'"):
        fp.load_dataset(class_folders, split=written)


def test_a_missing_file_is_told(class_folders, tmp_path) -> None:
    with pytest.raises(MissingPath, match="no such split file"):
        fp.load_dataset(class_folders, split=tmp_path / "no.csv")


def test_items_without_a_label_go_with_their_patient() -> None:
    groups = np.array(["a", "a", "b", "c", "c", "d"])
    known = np.array([True, False, True, False, True, False])
    part = everybody(np.array(["test", "train", "val"]), known, groups)
    assert part.tolist() == ["test", "test", "train", "val", "val", "train"]
