"""The shared readers of official layouts."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError, MissingPath
from featprobe.datasets.masks import Masks
from featprobe.datasets.official import (
    assemble,
    encode,
    find,
    grades,
    index_files,
    multilabel,
    numbers,
    one_hot,
    read_table,
)
from featprobe.images.decoded_image import FrameRecipe

HERE = Path("table.csv")
NAMES = ("mass", "nodule", "edema", "No")


def test_find_takes_the_first_pattern(tmp_path):
    for name in ("b.csv", "sub/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert find(tmp_path, "a.csv", "*/a.csv", "b.csv") == tmp_path / "sub/a.csv"
    with pytest.raises(MissingPath, match=r"no c\.csv or \*/c\.csv there"):
        find(tmp_path, "c.csv", "*/c.csv")


def test_read_table_as_text(tmp_path):
    content = "\ufeffid, grade \n007,NA\n008,\n"
    (tmp_path / "t.csv").write_text(content, encoding="utf-8")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(content.encode()))
    for name in ("t.csv", "t.csv.gz"):
        table = read_table(tmp_path / name, ["id", "grade"])
        assert table.to_numpy().tolist() == [["007", "NA"], ["008", ""]]
    with pytest.raises(InputError, match=r"t\.csv: no column 'grad'. Did you mean 'grade'"):
        read_table(tmp_path / "t.csv", ["grad"])
    (tmp_path / "t.csv").write_text("id,grade\n")
    with pytest.raises(InputError, match="the table has no rows"):
        read_table(tmp_path / "t.csv", ["id"])
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(content.encode())[:20])
    with pytest.raises(InputError, match=r"cut\.csv\.gz: not a table that can be read"):
        read_table(tmp_path / "cut.csv.gz", ["id"])


def test_index_files_refuses_two_files_of_one_name(tmp_path):
    for name in ("a/1.png", "a/2.PNG", "b/3.png", "b/.4.png", "b/5.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert sorted(index_files(tmp_path)) == ["1", "2", "3"]
    (tmp_path / "b/1.png").write_text("")
    with pytest.raises(InputError, match="have one name; keep one of them"):
        index_files(tmp_path)


@given(st.lists(st.lists(st.sampled_from(NAMES[:3]), unique=True), min_size=1, max_size=30))
def test_multilabel_matrix_is_what_the_texts_say(rows):
    values = pandas.Series(["|".join(r) or "No Finding" for r in rows], dtype=str)
    expected = [[float(n in r) for n in NAMES] for r in rows]
    assert multilabel(values, NAMES, HERE, none="No Finding").tolist() == expected


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=30))
def test_one_hot_and_encode_invert_each_other(codes):
    table = pandas.DataFrame(
        {n: ["1.0" if c == i else "0.0" for c in codes] for i, n in enumerate(NAMES)}, dtype=str
    )
    assert one_hot(table, NAMES, HERE).tolist() == codes
    texts = pandas.Series([NAMES[c] if c >= 0 else "" for c in codes], dtype=str)
    assert encode(texts, NAMES, HERE).tolist() == codes


def test_what_no_encoder_takes():
    table = pandas.DataFrame({"a": ["1", "1"], "b": ["0", "1"], "c": ["2", "x"]}, dtype=str)
    with pytest.raises(InputError, match=r"table\.csv: row 3 is of more than one class"):
        one_hot(table, ["a", "b"], HERE)
    with pytest.raises(InputError, match=r"table\.csv: a label is no number"):
        numbers(table, ["c"], HERE)
    with pytest.raises(InputError, match=r"a 1 is none of 0 to 0"):
        grades(table, "a", 1, HERE)
    with pytest.raises(InputError, match=r"label 'mas' is none of .*Did you mean 'mass'"):
        encode(pandas.Series(["mass", "mas"], dtype=str), NAMES, HERE)
    assert grades(pandas.DataFrame({"g": ["2.0", "", "0"]}), "g", 3, HERE).tolist() == [2, -1, 0]


def test_assemble_drops_rows_without_files_from_every_column(tmp_path):
    paths = [tmp_path / "a", None, tmp_path / "c"]
    data = assemble(
        "x", tmp_path, "abc", paths, FrameRecipe(), tmp_path, listed_in="t.csv", on_disk=5,
        targets=np.array([0, 1, 2]), task="multiclass", classes=("p", "q", "r"),
        groups=pandas.Series(["g", "h", "g"]), split=np.array(["train", "val", "test"]),
        masks=Masks.of([tmp_path / "m", None, None], ("b", "f")),
    )  # fmt: skip
    assert data.ids.tolist() == ["a", "c"]
    assert data.targets.tolist() == [0, 2]
    assert data.groups.tolist() == ["g", "g"]
    assert data.split.tolist() == ["train", "test"]
    assert [data.masks.paths(i) for i in range(2)] == [[tmp_path / "m"], []]
    assert data.notes == ["1 of the 3 items of t.csv have no file and are left out"]
    assert data.skipped == {"image without a row in t.csv": 3}
    with pytest.raises(MissingPath, match=r"none of the 1 images of t\.csv are there, first 'a'"):
        assemble("x", tmp_path, "a", [None], FrameRecipe(), tmp_path, listed_in="t.csv")
