"""Stores of earlier formats are read, or refused clearly."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from featprobe.store.containers import open_store
from featprobe.store.format import DONE, FAILED

ARCHIVES = Path(__file__).parent.parent / "archives"


def test_the_first_stores_are_read_verified_and_written(tmp_path: Path) -> None:
    path = tmp_path / "net-v1.zarr"
    shutil.copytree(ARCHIVES / "v1" / path.name, path)
    expected = np.random.default_rng(0).normal(size=(10, 2, 3)).astype(np.float16)
    store = open_store(path)
    assert store.complete
    np.testing.assert_array_equal(store.read("cls"), expected)
    np.testing.assert_array_equal(store.read("cls", 1, np.array([2, 9])), expected[[2, 9], 1:])
    assert store.status().tolist() == [DONE] * 5 + [FAILED] + [DONE] * 4
    assert store.reasons() == {5: "item 5 ä: cut short"}
    assert store.pending(retry_failed=True) == [1]
    assert store.items().ids[9] == "item 9 ä"
    assert store.items().targets.tolist() == [0, 1] * 5
    np.testing.assert_array_equal(store.frame_item(), np.arange(10))
    assert store.verify() == []
    store.write_shard(1, {"cls": expected[4:8]}, np.full(4, DONE), ["", "seen ü", "", ""])
    assert store.finish({})
    again = open_store(path)
    assert again.reasons() == {5: "seen ü"}
    assert (again.status() == DONE).all()
    np.testing.assert_array_equal(again.read("cls"), expected)


def test_a_table_named_by_the_earlier_rule_stays_while_labels_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "net-v1.zarr"
    shutil.copytree(ARCHIVES / "v1" / path.name, path)
    store, before = open_store(path), {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    items = store.items()
    assert store.attributes["items"] == f"items-{items.labels_digest[:12]}"
    assert not store.set_items(items)
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == before
    assert store.set_items(replace(items, split=np.array(["train", "test"] * 5)))
    assert open_store(path).items().split.tolist() == ["train", "test"] * 5
    assert store.complete
