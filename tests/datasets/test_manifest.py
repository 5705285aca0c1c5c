"""CSV and TSV manifests: what people write, and what must be refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featprobe.core.errors import InputError, UnknownName, UnreadableItem
from featprobe.datasets.load import load_dataset

NAMES = [f"img {i}é.png" for i in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(NAMES):
        Image.fromarray(np.full((8, 8), 30 * i + 10, np.uint8)).save(tmp_path / name)
    return tmp_path


def manifest(folder: Path, lines: list[str], name: str = "m.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return path


def rows(*columns: list[str], sep: str = ",") -> list[str]:
    return [sep.join(r) for r in zip(NAMES, *columns)]


LABELS = ["cat", "dog", "cat", "dog", "", "cat"]


@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_byte_order_mark(folder, sep, encoding):
    lines = [sep.join(["path", "label"]), *rows(LABELS, sep=sep)]
    data = load_dataset(manifest(folder, lines, encoding=encoding))
    assert data.ids.tolist() == NAMES
    assert data.classes == ("cat", "dog")
    assert data.targets.tolist() == [0, 1, 0, 1, -1, 0]
    assert data.read(2)[0, 0, 0] == 70


def test_tsv_and_windows_line_ends(folder):
    lines = ["Path\tLabel\r", *(line + "\r" for line in rows(LABELS, sep="\t"))]
    assert load_dataset(manifest(folder, lines, "m.tsv")).targets.tolist() == [0, 1, 0, 1, -1, 0]


def test_a_single_column_is_a_data_set_without_labels(folder):
    data = load_dataset(manifest(folder, ["path", *NAMES]))
    assert (len(data), data.targets, data.task) == (6, None, None)


def test_several_columns_are_multilabel_with_blank_unknown(folder):
    a, b = ["0", "1", "", "1", "0", "1.0"], ["1", "0", "1", "", "0", "0"]
    path = manifest(folder, ["path,edema,mass,age", *rows(a, b, ["50"] * 6)])
    for data in (load_dataset(path), load_dataset(path, label=["edema", "mass"])):
        assert (data.task, data.classes) == ("multilabel", ("edema", "mass"))
        expected = [[0, 1], [1, 0], [np.nan, 1], [1, np.nan], [0, 0], [1, 0]]
        np.testing.assert_array_equal(data.targets, expected)
    one = load_dataset(path, label=["edema"], task="multilabel")
    assert one.targets.shape == (6, 1)


def test_ordinal_and_regression(folder):
    path = manifest(folder, ["path,grade,age", *rows(list("310" * 2), ["50.5", "", *"1234"])])
    ordinal = load_dataset(path, label=["grade"], task="ordinal")
    assert (ordinal.task, ordinal.classes) == ("ordinal", ("0", "1", "3"))
    assert ordinal.targets.tolist() == [2, 1, 0, 2, 1, 0]
    regression = load_dataset(path, label=["age"], task="regression")
    np.testing.assert_array_equal(regression.targets, [50.5, np.nan, 1, 2, 3, 4])
    text = manifest(folder, ["path,grade", *rows(["high"] * 6)])
    with pytest.raises(InputError, match="a ordinal label is no number"):
        load_dataset(text, label=["grade"], task="ordinal")


def test_group_and_split_columns(folder):
    split = ["train", "Training", "valid", "val", "test", "TEST"]
    path = manifest(folder, ["path,label,Patient ID,split", *rows(LABELS, list("aabbcc"), split)])
    data = load_dataset(path)
    assert data.groups.tolist() == list("aabbcc")
    assert "'Patient ID'" in data.group_origin
    assert data.split.tolist() == ["train", "train", "val", "val", "test", "test"]
    assert load_dataset(path, group="none").groups.tolist() == NAMES


def test_paths_relative_to_root(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("tables")
    path = manifest(other, ["path,label", *rows(LABELS)])
    with pytest.raises(InputError, match=r"none of its 6 files exist.*--root"):
        load_dataset(path)
    assert len(load_dataset(path, root=folder)) == 6


def test_one_missing_file_is_an_item_that_cannot_be_read(folder):
    (folder / NAMES[3]).unlink()
    data = load_dataset(manifest(folder, ["path,label", *rows(LABELS)]))
    assert len(data) == 6
    with pytest.raises(FileNotFoundError, match="no such file"):
        data.read(3)
    (folder / NAMES[2]).write_bytes(b"")
    with pytest.raises(UnreadableItem, match="the file is empty"):
        data.read(2)


def test_a_folder_is_a_series_of_its_own(folder):
    (folder / "two").mkdir()
    for name in NAMES[:2]:
        (folder / name).rename(folder / "two" / name)
    with pytest.raises(InputError, match="row 2: 'two' holds 2 items, expected one"):
        load_dataset(manifest(folder, ["path,label", "two,cat"]))


@pytest.mark.parametrize("bad", ["../x.png", "/etc/hostname", "a/../../x.png", "link/x.png"])
def test_paths_that_leave_the_root_are_refused(folder, bad):
    (folder / "link").symlink_to(folder.parent)
    path = manifest(folder, ["path,label", *rows(LABELS), f"{bad},cat"])
    with pytest.raises(InputError, match=r"m\.csv: row 8: .* lies outside"):
        load_dataset(path)


@pytest.mark.parametrize(
    "lines, kwargs, error, match",
    [
        (["file_nme,label", "a,b"], {}, InputError, "no column of file paths.*found file_nme"),
        (["path,label", *rows(LABELS), f"{NAMES[0]},dog"], {}, InputError, "occur more than once"),
        (["path,label"], {}, InputError, "the manifest has no rows"),
        ([], {}, InputError, "not a table that can be read"),
        (["path,label", *rows(LABELS, LABELS)], {}, InputError, "not a table that can be read"),
        (["path,label", *rows(LABELS), ",dog"], {}, InputError, "row 8 has no path"),
        (["path,diagnosis", *rows(LABELS)], {"label": ["diagnosys"]}, UnknownName,
         "no column 'diagnosys'. Did you mean 'diagnosis'"),
        (["path,patient", *rows(LABELS)], {"group": "patiens"}, UnknownName,
         "no column 'patiens'. Did you mean 'patient'"),
        (["path,patient", *rows(LABELS)], {}, InputError, "row 6 has no 'patient'"),
        (["path,split", *rows(["train"] * 5 + ["dev"])], {}, InputError, "split 'dev' is none of"),
        (["path,a,b", *rows(list("01xx01"), list("000111"))], {"label": ["a", "b"]}, InputError,
         "row 4: 'a' is 'x'; a multi-label column holds 0, 1"),
    ],
)  # fmt: skip
def test_bad_manifests_say_what_is_wrong(folder, lines, kwargs, error, match):
    with pytest.raises(error, match=match):
        load_dataset(manifest(folder, lines), **kwargs)


def test_binary_file_is_no_manifest(folder):
    (folder / "m.csv").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InputError, match=r"m\.csv"):
        load_dataset(folder / "m.csv")
