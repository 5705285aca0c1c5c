"""What no container may lose to flipped bits, killed processes, bad disks and clocks."""

from __future__ import annotations

import errno
import os
import random
import resource
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featprobe.core.errors import StoreError
from featprobe.store.base import FeatureStore
from featprobe.store.containers import open_store
from featprobe.store.format import DONE, FAILED, Layout
from featprobe.testing import faults
from featprobe.testing.cases import StoreCase, fill, join, make_features


class StoreFaults(StoreCase):
    """The part of :class:`~featprobe.testing.stores.StoreContract` that breaks things.

    It uses real processes and real files.
    """

    # -- damage -----------------------------------------------------------------------------------

    def test_every_flipped_bit_is_named_and_refused(self, tmp_path: Path) -> None:
        layout = Layout(10, 4, {"cls": (2, 300), "tokens": (1, 2, 2, 30)})
        store, rng = self.make(tmp_path, layout), random.Random(0)
        features = make_features(layout)
        fill(store, features, [0, 2])
        rows = {n: v[4:8] for n, v in features.items()}
        store.write_shard(1, rows, np.array([DONE, FAILED, DONE, DONE]), ["", "grün", "", ""])
        assert store.verify() == []
        for file in faults.data_files(store.path):
            for _ in range(12):
                position = rng.randrange(file.stat().st_size)
                bit = rng.randrange(8)
                faults.flip(file, position, bit)
                damage = open_store(store.path).verify()
                assert damage, f"{file} at {position}"
                for d in damage:
                    if d.shard is not None and d.array in layout.arrays:
                        with pytest.raises(StoreError, match=f"{d.array} of shard {d.shard}"):
                            open_store(store.path).read(d.array)
                faults.flip(file, position, bit)
        assert open_store(store.path).verify() == []

    def test_a_cut_or_missing_file_is_damage(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        fill(store, make_features(store.layout))
        store.finish({})
        for file in faults.data_files(store.path):
            whole = file.read_bytes()
            file.write_bytes(whole[:-1])
            assert open_store(store.path).verify(), file
            file.unlink()
            assert open_store(store.path).verify(), file
            file.write_bytes(whole)
        assert open_store(store.path).verify() == []

    def test_repair_makes_the_damaged_shards_pending_and_no_other(self, tmp_path: Path) -> None:
        layout = Layout(40, 4, {"cls": (2, 300)})
        store = self.make(tmp_path, layout)
        features = make_features(layout)
        fill(store, features)
        store.finish({})
        broken = set()
        for file in faults.data_files(store.path)[:40:3]:
            size = file.stat().st_size
            if "frame_" in str(file) or "index" in file.name or "items" in str(file):
                continue
            faults.flip(file, size // 2)
        damage = store.verify()
        broken = {d.shard for d in damage}
        assert 0 < len(broken) < 10
        store.repair(damage)
        again = open_store(store.path)
        assert set(again.pending()) == broken
        fill(again, features)
        assert again.finish({})
        assert again.verify() == []
        self.check(again, features)

    # -- processes --------------------------------------------------------------------------------

    def test_two_processes_share_a_store_and_lose_no_row(self, tmp_path: Path) -> None:
        layout = Layout(203, 4, {"cls": (2, 30), "mean": (2, 30)})
        features = make_features(layout)
        store = self.make(tmp_path, layout)
        written = faults.outcomes(*[partial(join, open_store(store.path), features)] * 2)
        assert sorted(written[0] + written[1]) == list(range(layout.shards))
        again = open_store(store.path)
        assert again.attributes["complete"]
        assert again.verify() == []
        self.check(again, features)
        assert again.status().all()

    def test_a_lock_is_exclusive_and_ends_with_its_process(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        lock = store.lock_shard(0)
        assert lock is not None
        with lock:
            assert open_store(store.path).lock_shard(0) is None
            assert store.locked_shards() == [0]
            assert open_store(store.path).lock_shard(1) is not None
        ready = faults.FORK.SimpleQueue()

        def hold() -> None:
            lock = open_store(store.path).lock_shard(2)
            ready.put(lock is not None)
            time.sleep(60)

        process = faults.start(hold)
        assert ready.get()
        assert store.lock_shard(2) is None
        process.kill()
        process.join()
        lock = store.lock_shard(2)
        assert lock is not None
        lock.release()
        fill(store, make_features(store.layout), [2])
        assert store.lock_shard(2) is None
        assert store.lock_shard(2, committed=True) is not None

    def test_kill_9_at_any_moment_loses_nothing_committed(self, tmp_path: Path) -> None:
        layout = Layout(64, 2, {"cls": (2, 400), "mean": (2, 400)})
        features, rng = make_features(layout), random.Random(0)
        whole = self.make(tmp_path / "timed", layout)
        start = time.perf_counter()
        faults.start(fill, whole, features).join()
        seconds = time.perf_counter() - start
        trials = finished = 0
        while trials < 50:
            store = self.make(tmp_path / str(finished), layout)
            before: set[int] = set()
            while (todo := store.pending()) and trials < 50:
                delay = rng.uniform(0, seconds * len(todo) / layout.shards)
                trials += faults.kill_after(delay, fill, store, features)
                store = open_store(store.path)
                now = store.committed()
                assert before <= now
                before = now
                assert store.verify() == []
                self.check(store, features)
            fill(store, features)
            assert store.finish({})
            finished += 1
            for name, values in features.items():
                assert open_store(store.path).read(name).tobytes() == values.tobytes()

    # -- disks ------------------------------------------------------------------------------------

    def test_a_full_disk_is_one_clear_line_and_resumable(self, tmp_path: Path) -> None:
        layout = Layout(64, 4, {"cls": (2, 8000)})
        features, disk = make_features(layout), tmp_path / "disk"
        with faults.small_disk(disk, 1 << 20) as grow:
            store = self.make(disk, layout)
            with pytest.raises(StoreError) as caught:
                fill(store, features) if grow else faults.outcomes(
                    partial(_limited, store, features)
                )
            text = str(caught.value)
            assert "\n" not in text
            code = errno.ENOSPC if grow else errno.EFBIG
            assert os.strerror(code) in text
            assert "the same command goes on" in text
            assert store.verify() == []
            assert grow is None or 0 < len(store.committed()) < layout.shards
            left = [n for n, _ in store.path.files() if n.endswith(".partial")]
            assert left == []
            if grow:
                grow(64 << 20)
            fill(store, features)
            assert store.finish({})
            self.check(store, features)

    def test_a_read_only_cache_is_read(self) -> None:
        with faults.public_folder() as folder:
            store = self.make(folder)
            features = make_features(store.layout)
            fill(store, features)
            store.finish({})
            for place, _, _ in os.walk(folder):
                os.chmod(place, 0o555)
            try:
                job = partial(self._read_only, store.path, features)
                faults.outcomes(job, user=faults.NOBODY)
            finally:
                for place, _, _ in os.walk(folder):
                    os.chmod(place, 0o755)

    def _read_only(self, path: Any, features: dict[str, np.ndarray]) -> None:
        store = open_store(path)
        self.check(store, features)
        assert store.complete
        store.touch()
        assert store.items().ids[0].startswith("Aufnahme")
        assert store.verify() == []
        with pytest.raises(StoreError, match="cannot be written"):
            fill(store, features, [0])

    def test_times_in_the_future_change_nothing(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        features = make_features(store.layout)
        fill(store, features, [0])
        later = time.time() + 10 * 365 * 86400
        for name, _ in list(store.path.files()):
            os.utime(f"{store.path}/{name}", (later, later))
        again = open_store(store.path)
        assert again.pending() == [1, 2]
        fill(again, features)
        assert again.finish({})
        self.check(again, features)
        assert open_store(store.path).complete


def _limited(store: FeatureStore, features: dict[str, np.ndarray]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    fill(store, features)
