"""Stores on this machine and behind fsspec addresses behave the same."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from featprobe.core import paths as settings
from featprobe.core.errors import InputError, MissingExtra, MissingPath, StoreError
from featprobe.store import cache as caches
from featprobe.store import last_used
from featprobe.store.containers import SUFFIXES, create_store, open_store
from featprobe.store.format import DONE, FAILED, Layout
from featprobe.store.garbage import find_garbage
from featprobe.store.locate import storage_path
from featprobe.store.remote import RemotePath
from featprobe.store.storage_path import LocalPath
from featprobe.testing.cases import fill, make_features, make_items, make_key


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A bucket of an S3 server on this machine."""
    pytest.importorskip("s3fs", reason="s3fs is not installed (extra s3)")
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    import boto3
    from s3fs import S3FileSystem

    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        url = f"http://{host}:{port}"
        for name, value in {
            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="features")
        S3FileSystem.clear_instance_cache()
        yield "s3://features"
    S3FileSystem.clear_instance_cache()
    running.stop()


@pytest.fixture(params=["path", "file://", "memory://", "s3://"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A cache, empty, in every kind of place."""
    if request.param == "path":
        return str(tmp_path / "c")
    if request.param == "file://":
        return f"file://{tmp_path}/c"
    base = request.getfixturevalue("s3") if request.param == "s3://" else "memory:/"
    return f"{base}/{uuid.uuid4().hex}"


def make(root: str, kind: str, frames: int = 30, **changes):
    key, layout = make_key(**changes), Layout(frames, 4, {"cls": (2, 3), "mean": (1, 5)})
    return create_store(
        kind, caches.store_path(root, "films", "net", key.digest, kind), key, layout,
        np.arange(frames), np.zeros(frames), make_items(frames),
        {"dataset": "films", "backbone": "net"}, {},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_store_lives_anywhere(root: str, kind: str) -> None:
    store = make(root, kind)
    features = make_features(store.layout)
    assert make(root, kind).pending() == list(range(8))
    fill(store, features, [5, 0])
    store = open_store(store.path, make_key())
    assert store.pending() == [1, 2, 3, 4, 6, 7]
    assert not store.read("cls", frames=slice(4, 8)).any()
    with store.lock_shard(3):
        fill(store, features)
    rows = {n: v[8:12] for n, v in features.items()}
    store.write_shard(2, rows, np.array([DONE, FAILED, DONE, DONE]), ["", "grün", "", ""])
    assert store.finish({"n": 1})
    store = open_store(str(store.path))
    assert store.complete
    assert store.reasons() == {9: "grün"}
    assert store.pending(retry_failed=True) == [2]
    index = np.array([0, 3, 4, 9, 29])
    for name, values in features.items():
        assert store.read(name).tobytes() == values.tobytes()
        np.testing.assert_array_equal(store.read(name, 1, index), values[index, -1:])
    assert store.frame_item().tolist() == list(range(30))
    assert store.set_items(make_items(30, targets=np.zeros(30, int)))
    assert not open_store(store.path).items().targets.any()
    assert store.verify() == []
    chunk = store._chunk("mean", 3)
    data = bytearray(chunk.place.read())
    data[chunk.offset + 3] ^= 8
    chunk.place.write(data)
    assert [(d.shard, d.array) for d in store.verify()] == [(3, "mean")]
    with pytest.raises(StoreError, match="mean of shard 3 fails its checksum"):
        store.read("mean")
    store.repair(store.verify())
    assert open_store(store.path).pending() == [3]
    fill(store, features, [3])
    assert store.finish({})
    assert store.verify() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_cache_lives_anywhere(root: str, kind: str) -> None:
    stores = [make(root, kind), make(root, kind, dataset="e"), make(root, kind, weights="v")]
    for s in stores[:2]:
        fill(s, make_features(s.layout))
        s.finish({})
    stores[0].touch()
    assert last_used.last(stores[0].path) > last_used.last(stores[1].path)
    found, notes = caches.find(root)
    assert [s.path for s in found] == [stores[0].path]
    assert len(notes) == 2
    assert all(e.bytes > 1000 for e in caches.entries(root))
    assert [x.path for x in find_garbage(root)] == [stores[1].path]
    caches.remove(root, stores[0].path.name)
    assert sorted(e.state for e in caches.entries(root)) == ["complete", "incomplete"]
    with pytest.raises(MissingPath, match="no such feature store"):
        open_store(stores[0].path)


def test_zarr_itself_opens_a_remote_store(s3: str) -> None:
    import zarr

    store = make(f"{s3}/{uuid.uuid4().hex}", "zarr")
    features = make_features(store.layout)
    fill(store, features)
    group = zarr.open_group(str(store.path), mode="r")
    np.testing.assert_array_equal(group["cls"][:], features["cls"])


def test_an_unknown_kind_of_address_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="floppy"):
        storage_path("floppy://a/b").exists()
    with pytest.raises(MissingExtra, match="featprobe.s3"):
        storage_path("gcs://bucket/x").exists()


def test_places_of_addresses_and_paths() -> None:
    assert storage_path("file:///a/b") == LocalPath("/a/b")
    assert storage_path("s3://a/b/") == RemotePath("s3://a/b")
    assert (storage_path("s3://a/b") / "c.zarr").stem == "c"
    assert str((storage_path("s3://a/b") / "c").parent) == "s3://a/b"


def test_results_stay_here_when_features_do_not(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEATPROBE_CACHE", str(tmp_path))
    assert settings.feature_root("s3://a/b/") == "s3://a/b"
    assert settings.cache_root("s3://a/b") == tmp_path
    assert settings.feature_root() == settings.cache_root() == tmp_path
    monkeypatch.setenv("FEATPROBE_CACHE", "s3://a/b")
    assert settings.feature_root() == "s3://a/b"
    assert settings.cache_root().is_absolute()
    assert settings.feature_root(f"file://{tmp_path}") == tmp_path


def test_an_empty_file_elsewhere_has_no_bytes() -> None:
    folder = storage_path(f"memory://{uuid.uuid4().hex}")
    (folder / "empty").write(b"")
    (folder / "full").write(b"abc")
    assert dict(folder.files()) == {"empty": 0, "full": 3}
