"""moved.py: a renamed or moved data folder finds its features."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from featprobe.datasets.load import load_dataset
from featprobe.extraction.local import extract
from featprobe.store import cache as caches
from featprobe.store.containers import open_store
from featprobe.store.moved import find_moved
from tests.conftest import make_tiny
from tests.store.test_cache import make

NAMES = ("renamed", "net")


@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
@pytest.mark.parametrize("links", [True, False])
def test_the_same_key_under_other_names(
    tmp_path: Path, kind: str, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make(tmp_path, kind=kind)
    if not links:

        def none(*_: object) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", none)
    new = find_moved(tmp_path, old.key, *NAMES)
    assert new is not None
    assert (new.dataset, new.backbone, new.kind) == ("renamed", "net", kind)
    assert new.complete
    assert not new.verify()
    assert new.attributes["provenance"]["renamed_from"] == "films"
    expected = old.read("cls")
    assert open_store(old.path).dataset == "films"  # as it was
    caches.discard(old.path)
    assert np.array_equal(open_store(new.path).read("cls"), expected)
    assert not [n for n in new.path.parent.names() if n.endswith(".partial")]


def test_only_whole_stores_of_the_same_key_count(tmp_path: Path) -> None:
    half = make(tmp_path, whole=False)
    assert find_moved(tmp_path, half.key, *NAMES) is None
    other = make(tmp_path, weights="other")
    assert find_moved(tmp_path, half.key, *NAMES) is None
    assert find_moved(tmp_path, other.key, "films", "net") is None
    assert find_moved(tmp_path, other.key, "renamed", "other") is None  # a name says what it is
    (Path(str(other.path)) / "zarr.json").write_text("{")  # damaged: it is extracted
    assert find_moved(tmp_path, other.key, *NAMES) is None


def test_a_renamed_folder_is_not_extracted_again(class_folders: Path, cache: Path) -> None:
    backbone = make_tiny()
    first = extract(backbone, load_dataset(class_folders), workers=0)
    moved = class_folders.rename(class_folders.with_name("pictures"))
    again = extract(backbone, load_dataset(moved), workers=0)
    assert again.dataset == "pictures"
    assert again.summary.new_frames == 0
    assert "extracted as films" in again.summary.notes["store"]
    assert np.array_equal(first.x("cls"), again.x("cls"))
    found, _ = caches.find(cache, ["pictures"])
    assert len(found) == 1
