"""The cache: what is listed, found, superseded, removed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featprobe.core.errors import InputError, UnknownName
from featprobe.images import versions
from featprobe.store import cache as caches
from featprobe.store import last_used
from featprobe.store.base import FeatureStore
from featprobe.store.containers import create_store
from featprobe.store.format import Layout
from featprobe.testing.cases import fill, make_features, make_items, make_key


def make(cache: Path, backbone: str = "net", kind: str = "zarr", whole: bool = True,
         **changes) -> FeatureStore:  # fmt: skip
    key, layout = make_key(**changes), Layout(10, 4, {"cls": (2, 3)})
    path = caches.store_path(cache, "films", backbone, key.digest, kind)
    names = {"dataset": "films", "backbone": backbone}
    store = create_store(
        kind, path, key, layout, np.arange(10), np.zeros(10), make_items(10), names, {}
    )
    fill(store, make_features(layout), None if whole else [0])
    store.finish({})
    return store


def test_the_cache_lists_finds_and_removes(tmp_path: Path) -> None:
    whole, half = make(tmp_path), make(tmp_path, "half", whole=False, weights="v")
    broken = whole.path.parent / "broken-0.zarr"
    (tmp_path / "features" / "films" / "broken-0.zarr").mkdir()
    states = {e.path: e.state for e in caches.entries(tmp_path)}
    assert states == {whole.path: "complete", half.path: "incomplete", broken: "damaged"}
    found, notes = caches.find(tmp_path)
    assert [s.path for s in found] == [whole.path]
    assert any("incomplete" in n for n in notes)
    assert any("broken-0" in n for n in notes)
    with pytest.raises(UnknownName, match="Did you mean 'films'"):
        caches.find(tmp_path, datasets=["film"])
    with pytest.raises(UnknownName, match="no store 'nothing'"):
        caches.remove(tmp_path, "nothing")
    caches.remove(tmp_path, make_key().digest[:12])
    assert not whole.path.exists()
    assert not [n for n in whole.path.parent.names() if n.startswith(f".{whole.path.name}")]


def test_of_changed_data_the_store_last_used_counts_whatever_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make(tmp_path, dataset="before")
    monkeypatch.setattr("time.time_ns", lambda: 5)  # set back to 1970
    newer = make(tmp_path, dataset="after")
    assert last_used.last(newer.path) > last_used.last(old.path)
    found, notes = caches.find(tmp_path)
    assert [s.path for s in found] == [newer.path]
    assert any("have changed since" in n for n in notes)
    old.touch()
    assert [s.path for s in caches.find(tmp_path)[0]] == [old.path]


def test_the_same_features_in_two_containers_count_once(tmp_path: Path) -> None:
    make(tmp_path, kind="zarr")
    second = make(tmp_path, kind="hdf5")
    found, notes = caches.find(tmp_path)
    assert [s.path for s in found] == [second.path]
    assert any("holds the same features" in n for n in notes)
    with pytest.raises(InputError, match="say which"):
        caches.named(tmp_path, second.path.stem)
    assert caches.named(tmp_path, second.path.name).path == second.path


def test_a_store_at_work_is_not_removed(tmp_path: Path) -> None:
    store = make(tmp_path, whole=False)
    with store.lock_shard(1), pytest.raises(InputError, match="a process works on it now .shard 1"):
        caches.remove(tmp_path, store.path.name)
    caches.remove(tmp_path, store.path.name)
    assert list(caches.entries(tmp_path)) == []


def test_features_by_an_earlier_reader_are_named_where_they_are_affected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featprobe.images.versions.READERS", {"picture": 1, "dicom": 1})
    old = make(tmp_path)  # without kinds, as before there were versions
    assert caches.find(tmp_path)[1] == []
    monkeypatch.setattr("featprobe.images.versions.READERS", {"picture": 1, "dicom": 2})
    assert caches.find(tmp_path)[1] == []  # names without a suffix may be rows of an array
    old.update(provenance={"skipped": {"DICOM objects without pixels": 1}})
    found, notes = caches.find(tmp_path)
    assert [s.path for s in found] == [old.path]
    assert "stale, made by an earlier reader dicom" in notes[0]
    old.update(provenance={"kinds": ["picture"]})
    assert caches.find(tmp_path)[1] == []
    old.update(provenance={"kinds": ["dicom", "picture"]})
    assert "earlier reader dicom" in caches.find(tmp_path)[1][0]
    new = make(tmp_path, versions={"reader dicom": 2})
    assert new.key.digest != old.key.digest
    found, notes = caches.find(tmp_path)
    assert [s.path for s in found] == [new.path]
    assert "read by an earlier featprobe (different: version of reader dicom)" in notes[0]


def test_a_frame_version_concerns_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions.versions_of({"picture", "unknown"}) == {}
    monkeypatch.setattr(versions, "FRAMES", 3)
    monkeypatch.setattr(versions, "READERS", {"dicom": 2, "raster": 1})
    assert versions.versions_of({"raster"}) == {"frames": 3}
    assert versions.versions_of({"raster", "dicom"}) == {"frames": 3, "reader dicom": 2}


def test_data_sets_and_backbones_are_meant_by_their_beginning_not_the_other_way_round() -> None:
    for name in ("films", "films@56", "films-random0"):
        assert caches.called(name, "films")
    for name in ("film", "films2", "films-other", "other"):
        assert not caches.called(name, "films")
    assert not caches.called("films", "films@56")


def test_a_data_set_is_found_by_its_beginning(tmp_path: Path) -> None:
    made = make(tmp_path)
    path = Path(str(made.path))
    made.update(dataset="films@2")
    path.parent.rename(path.parent.with_name("films@2"))
    assert [s.dataset for s in caches.find(tmp_path, ["films"])[0]] == ["films@2"]
    with pytest.raises(UnknownName, match="no features of data set 'films@2@3'"):
        caches.find(tmp_path, ["films@2@3"])
