"""From what a user types to a data set, or to one line that helps."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from featprobe.core.errors import InputError, MissingPath, UnknownName
from featprobe.datasets.load import CATALOG, dataset_name, load_dataset


@pytest.mark.parametrize(
    "name, near",
    [("chexprt", "chexpert"), ("nih_chestxra14", "nih_chestxray14"), ("aptos201", "aptos2019"),
     ("msd_hippocampu", "msd_hippocampus"), ("pathminst", "pathmnist")],
)  # fmt: skip
def test_unknown_name_offers_the_nearest(name, near, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match=rf"unknown data set '{name}'.*Did you mean '{near}'"):
        load_dataset(name)


def test_unknown_name_is_told_before_its_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'chexpert'"):
        load_dataset("chexprt", uncertain="zeros")


@pytest.mark.parametrize("path", ["./nothing", "a/b.csv", "data.npz", "x.nii.gz"])
def test_missing_path(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingPath, match="no such file or folder"):
        load_dataset(path)


def test_file_of_no_known_kind(tmp_path):
    (tmp_path / "x.xyz").write_text("x")
    with pytest.raises(InputError, match=r"x\.xyz: not a data set"):
        load_dataset(tmp_path / "x.xyz")


def test_single_image_and_label_options(tmp_path):
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / "one.png")
    data = load_dataset(tmp_path / "one.png")
    assert (data.ids.tolist(), data.name) == (["one.png"], "one")
    with pytest.raises(InputError, match="--label means nothing for one.png"):
        load_dataset(tmp_path / "one.png", label=["x"])


@pytest.mark.parametrize(
    "path, name",
    [("cxr", "cxr"), ("study/images", "study-images"), ("a b/ü (1)", "ü_1_"), ("x.nii.gz", "x"),
     ("archive/train", "archive-train")],
)  # fmt: skip
def test_names_that_paths_are_cached_under(tmp_path, path, name):
    full = tmp_path / path
    if "." in path:
        full.write_bytes(b"")
    else:
        full.mkdir(parents=True)
    assert dataset_name(full) == name


def test_listing_names_imports_no_entry():
    code = (
        "import sys; from featprobe.datasets.load import CATALOG; n = CATALOG.names(); "
        "assert 'pathmnist' in CATALOG and len(n) > 40; "
        "bad = [m for m in sys.modules if m.startswith('featprobe.datasets.catalog.')]; "
        "assert not bad, bad; assert not {'torch', 'pandas', 'h5py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_catalog_refuses_unknown_names():
    with pytest.raises(UnknownName, match="unknown dataset 'medmnist'"):
        CATALOG.get("medmnist")


def test_embedded_sets_are_generated_once(tmp_path):
    data = load_dataset("phantom_ct", cache=tmp_path)
    made = next((tmp_path / "data").iterdir())
    before = made.stat().st_mtime_ns
    assert len(data) == CATALOG.get("phantom_ct").items
    assert load_dataset("phantom_ct", cache=tmp_path, name="mine").name == "mine"
    assert made.stat().st_mtime_ns == before
