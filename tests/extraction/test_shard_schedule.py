"""Two extractions of one store: they share its shards and neither waits for what it holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import featprobe as fp
from featprobe.extraction.shard_schedule import ShardSchedule
from featprobe.store.cache import entries
from featprobe.store.containers import open_store
from tests.extraction.films import class_films


def test_shards_of_others_are_left_to_them_until_they_let_go(tiny_backbone, class_folders, cache):
    features = fp.extract(tiny_backbone, fp.load_dataset(class_folders), batch_size=4)
    store = features.store
    store.reset([1, 3])
    held = open_store(store.path).lock_shard(1)
    assert held is not None
    turns = ShardSchedule(store, [1, 3], False)
    assert list(turns) == [3]
    assert turns.others == [1]
    assert turns.left() == [1]
    held.release()
    again = ShardSchedule(store, turns.left(), False)
    assert list(again) == [1]
    again.release()
    turns.release()
    assert open_store(store.path).locked_shards() == []


@pytest.mark.slow
def test_two_processes_at_once_finish_one_store_together(tmp_path: Path) -> None:
    class_films(tmp_path / "films", 100)
    command = [
        sys.executable, "-m", "featprobe.cli.main", "extract", "--model", "tiny_vit14",
        "--batch-size", "4", "--workers", "1", "--data", str(tmp_path / "films"),
        "--cache", str(tmp_path / "c"), "--quiet", "--json",
    ]  # fmt: skip
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [json.loads(p.communicate()[0]) for p in both]
    assert [p.returncode for p in both] == [0, 0]
    assert sum(f["new_frames"] for f in found) == 200  # no shard twice
    (entry,) = entries(tmp_path / "c")
    assert entry.store is not None
    assert entry.store.complete
    assert (entry.store.status() == 1).all()
    assert entry.store.locked_shards() == []
