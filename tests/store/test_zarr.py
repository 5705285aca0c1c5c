"""The zarr store: committed by shard, checked by checksum, refused by key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.errors import InputError, StoreError, UnknownName
from featprobe.store import cache as caches
from featprobe.store.format import DONE, FAILED, FeatureKey, Items, Layout, plan_shard
from featprobe.store.zarr import ZarrStore


def key(**changes) -> FeatureKey:
    fields = {
        "weights": "w", "config": "c", "preprocess": {"resize": 8}, "recipe": {"plane": "auto"},
        "outputs": {"cls": 2}, "precision": "float32", "dtype": "float16", "dataset": "d",
    }  # fmt: skip
    return FeatureKey(**{**fields, **changes})


def items(n: int = 10, **changes) -> Items:
    ids = np.array([f"item {i} ä" for i in range(n)])
    fields = {
        "ids": ids, "groups": ids.copy(), "split": np.full(n, ""), "targets": np.arange(n) % 2,
        "task": "multiclass", "classes": ("no", "yes"), "group_origin": "g", "split_origin": "s",
    }  # fmt: skip
    return Items(**{**fields, **changes})


def create(path: Path, **changes) -> ZarrStore:
    """Ten items of one frame, in shards of four, nothing written yet."""
    return ZarrStore.create(
        path, key(**changes), Layout(10, 4, {"cls": (2, 3)}), np.arange(10), np.zeros(10),
        items(), {"dataset": "d", "backbone": "b"}, {"random": True},
    )  # fmt: skip


def features(start: int, stop: int) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(10, 2, 3)).astype(np.float16)
    return values[start:stop]


def fill(store: ZarrStore, shards: range | list[int] = range(3)) -> None:
    for s in shards:
        a, b = store.layout.bounds(s)
        store.write_shard(s, {"cls": features(a, b)}, np.full(b - a, DONE), [""] * (b - a))


def test_what_is_written_is_read_back_by_another_reader(tmp_path: Path) -> None:
    import zarr

    fill(create(tmp_path / "s.zarr"))
    store = ZarrStore.open(tmp_path / "s.zarr", key())
    np.testing.assert_array_equal(store.read("cls"), features(0, 10))
    np.testing.assert_array_equal(store.read("cls", 1), features(0, 10)[:, 1:])
    plain = zarr.open_group(tmp_path / "s.zarr", mode="r")
    np.testing.assert_array_equal(plain["cls"][:], features(0, 10))
    assert plain["cls"].dtype == np.float16


def test_items_round_trip(tmp_path: Path) -> None:
    create(tmp_path / "s.zarr")
    found, expected = ZarrStore.open(tmp_path / "s.zarr").items(), items()
    for name in ("ids", "groups", "split", "targets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.classes == expected.classes
    assert found.labels_digest == expected.labels_digest


def test_new_labels_replace_the_old_and_leave_the_features(tmp_path: Path) -> None:
    store = create(tmp_path / "s.zarr")
    fill(store)
    changed = items(targets=np.zeros(10, int))
    assert store.set_items(changed)
    assert not store.set_items(changed)
    again = ZarrStore.open(tmp_path / "s.zarr")
    assert not again.items().targets.any()
    np.testing.assert_array_equal(again.read("cls"), features(0, 10))
    assert len([p for p in (tmp_path / "s.zarr").iterdir() if p.name.startswith("items-")]) == 1


def test_pending_shards_are_those_not_committed(tmp_path: Path) -> None:
    store = create(tmp_path / "s.zarr")
    assert store.pending() == [0, 1, 2]
    assert not store.complete
    fill(store, [1])
    again = ZarrStore.open(tmp_path / "s.zarr")
    assert again.pending() == [0, 2]
    fill(again, [0, 2])
    assert ZarrStore.open(tmp_path / "s.zarr").complete


def test_failed_frames_keep_their_reason_and_are_retried_only_on_request(tmp_path: Path) -> None:
    store = create(tmp_path / "s.zarr")
    fill(store, [0, 2])
    status = np.array([DONE, FAILED, DONE, DONE])
    store.write_shard(1, {"cls": features(4, 8)}, status, ["", "x.png: cut short", "", ""])
    assert store.reasons()[5] == "x.png: cut short"
    assert store.pending() == []
    assert store.pending(retry_failed=True) == [1]


def test_another_key_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    create(tmp_path / "s.zarr")
    other = key(preprocess={"resize": 9}, dataset="e")
    with pytest.raises(StoreError, match="different: dataset, preprocess"):
        ZarrStore.open(tmp_path / "s.zarr", other)


CHANGES = [
    {"weights": "x"}, {"config": "x"}, {"preprocess": {}}, {"recipe": {}}, {"outputs": {"cls": 1}},
    {"precision": "bf16"}, {"dtype": "float32"}, {"dataset": "x"}, {"format": 2},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: next(iter(c)))
def test_every_field_of_the_key_changes_its_digest(change: dict) -> None:
    assert set(key().to_dict()) == {next(iter(c)) for c in CHANGES}
    assert key(**change).digest != key().digest
    assert key(**change).differences(key().to_dict()) == [next(iter(change))]
    assert FeatureKey(**key(**change).to_dict()) == key(**change)


@pytest.mark.parametrize("name", ["cls/c/0/0/0", "cls/c/2/0/0", "status/c/1"])
def test_a_flipped_byte_is_an_error_not_a_feature(tmp_path: Path, name: str) -> None:
    store = create(tmp_path / "s.zarr")
    fill(store)
    path = tmp_path / "s.zarr" / name
    raw = bytearray(path.read_bytes())
    raw[1] ^= 1
    path.write_bytes(raw)
    again = ZarrStore.open(tmp_path / "s.zarr")
    with pytest.raises(StoreError, match="damaged"):
        again.read("cls") if name.startswith("cls") else again.status()


def test_an_unreadable_index_says_how_to_remove_the_store(tmp_path: Path) -> None:
    create(tmp_path / "s.zarr")
    (tmp_path / "s.zarr" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="featprobe cache rm s"):
        ZarrStore.open(tmp_path / "s.zarr")


def test_a_later_format_version_is_refused(tmp_path: Path) -> None:
    import zarr

    create(tmp_path / "s.zarr")
    zarr.open_group(tmp_path / "s.zarr", mode="r+").attrs["featprobe"] = 99
    with pytest.raises(StoreError, match="format version 99"):
        ZarrStore.open(tmp_path / "s.zarr")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        create(tmp_path / "file" / "s.zarr")


def test_no_half_made_store_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        ZarrStore.create(
            tmp_path / "s.zarr", key(), Layout(10, 4, {"cls": (2, 3)}), np.arange(10), np.zeros(10),
            items(), {"dataset": "d", "backbone": "b"}, {"bad": object()},
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@given(st.integers(1, 10**7), st.integers(1, 48), st.integers(1, 4096), st.integers(1, 256))
def test_shards_hold_whole_batches_and_stay_small(frames, blocks, width, batch) -> None:
    shard = plan_shard(frames, {"cls": (blocks, width)}, "float16", batch)
    assert shard % batch == 0
    assert shard == batch or shard * blocks * width * 2 <= 4 << 20
    layout = Layout(frames, shard, {"cls": (blocks, width)})
    assert layout.bounds(layout.shards - 1)[1] == frames


def test_small_sets_get_many_shards_and_large_ones_chunks_of_megabytes() -> None:
    arrays = {"cls": (4, 384)}
    assert -(-168 // plan_shard(168, arrays, "float16", 16)) >= 5
    large = plan_shard(112_120, arrays, "float16", 16)
    assert 2 << 20 <= large * 4 * 384 * 2 <= 4 << 20


def test_the_cache_lists_finds_and_removes(tmp_path: Path) -> None:
    path = caches.store_path(tmp_path, "films", "net@56-random0", key().digest)
    fill(create(path))
    half = caches.store_path(tmp_path, "films", "half", key(weights="v").digest)
    fill(create(half, weights="v"), [0])
    (path.parent / "broken-0.zarr").mkdir()
    assert {e.path: bool(e.store) for e in caches.entries(tmp_path)} == {
        path: True, half: True, path.parent / "broken-0.zarr": False,
    }  # fmt: skip
    found, notes = caches.find(tmp_path)
    assert [s.path for s in found] == [path]
    assert any("incomplete" in n for n in notes)
    assert any("broken-0" in n for n in notes)
    with pytest.raises(UnknownName, match="Did you mean 'd'"):
        caches.find(tmp_path, datasets=["dd"])
    with pytest.raises(UnknownName, match="no store 'nothing'"):
        caches.remove(tmp_path, "nothing")
    caches.remove(tmp_path, key().digest[:12])
    assert not path.exists()
