"""What every container of features must do. Needs the ``test`` extra.

    class TestMine(StoreContract):
        kind = "mine"

Tests use real processes and real files. Override :meth:`StoreContract.path` for another place.
"""

from __future__ import annotations

import errno
import os
import pickle
import random
import resource
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featprobe.errors import InputError, StoreError
from featprobe.store.base import FeatureStore
from featprobe.store.containers import SUFFIXES, create_store, open_store
from featprobe.store.format import DONE, FAILED, FeatureKey, Items, Layout
from featprobe.testing import faults

SHAPES = st.dictionaries(
    st.sampled_from(["cls", "mean", "tokens"]),
    st.one_of(
        st.tuples(st.integers(1, 4), st.integers(1, 9)),
        st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(1, 5)),
    ),
    min_size=1,
)
SLOW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def make_key(**changes: Any) -> FeatureKey:
    """A key; ``changes`` replace fields of it."""
    fields: dict[str, Any] = {
        "weights": "w", "config": "c", "preprocess": {"resize": 8}, "recipe": {"plane": "auto"},
        "outputs": {"cls": 2}, "precision": "float32", "dtype": "float16", "dataset": "d",
    }  # fmt: skip
    return FeatureKey(**{**fields, **changes})


def make_items(n: int, **changes: Any) -> Items:
    """A table of n items of two classes; ``changes`` replace columns of it."""
    ids = np.array([f"Aufnahme {i}: ä/日本" for i in range(n)])
    fields: dict[str, Any] = {
        "ids": ids, "groups": ids.copy(), "split": np.full(n, ""), "targets": np.arange(n) % 2,
        "task": "multiclass", "classes": ("no", "yes"), "group_origin": "g", "split_origin": "s",
    }  # fmt: skip
    return Items(**{**fields, **changes})


def make_features(layout: Layout, dtype: str = "float16", seed: int = 0) -> dict[str, np.ndarray]:
    """Random features (F, ...) of every array, no row of them zero."""
    rng = np.random.default_rng(seed)
    shapes = {n: (layout.frames, *s) for n, s in layout.arrays.items()}
    return {n: rng.normal(3, 1, s).astype(dtype) for n, s in shapes.items()}


def fill(
    store: FeatureStore, features: dict[str, np.ndarray], shards: Iterable[int] | None = None
) -> None:
    """Write shards, those that are pending by default."""
    for shard in store.pending() if shards is None else shards:
        a, b = store.layout.bounds(shard)
        rows = {n: v[a:b] for n, v in features.items()}
        store.write_shard(shard, rows, np.full(b - a, DONE), [""] * (b - a))


def join(store: FeatureStore, features: dict[str, np.ndarray]) -> list[int]:
    """Extract as one of several processes: claim, write, look again. Returns what was written."""
    mine = []
    while todo := store.pending():
        for shard in todo:
            claim = store.claim(shard)
            if claim is not None:
                with claim:
                    fill(store, features, [shard])
                    mine.append(shard)
        time.sleep(0.001)
    store.finish({})
    return mine


class StoreContract:
    """Subclass, set ``kind``, and let pytest collect it."""

    kind: str = ""

    def path(self, folder: Path) -> Any:
        """Where the store of a test goes."""
        return folder / f"s{SUFFIXES[self.kind]}"

    def make(self, folder: Path, layout: Layout | None = None, **changes: Any) -> FeatureStore:
        """An empty store, by default of ten frames in shards of four."""
        layout = layout or Layout(10, 4, {"cls": (2, 3)})
        n = layout.frames
        return create_store(
            self.kind, self.path(folder), make_key(**changes), layout, np.arange(n),
            np.zeros(n, int), make_items(n), {"dataset": "d", "backbone": "b"}, {"random": True},
        )  # fmt: skip

    def check(self, store: FeatureStore, features: dict[str, np.ndarray]) -> None:
        """Every committed row is what was written, bit for bit; others are zero."""
        there = store.status() == DONE
        for name, values in features.items():
            found = store.read(name)
            assert found.dtype == values.dtype
            assert found[there].tobytes() == values[there].tobytes()

    # -- round trips ------------------------------------------------------------------------------

    @SLOW
    @given(
        frames=st.integers(1, 40), shard=st.integers(1, 16), arrays=SHAPES,
        dtype=st.sampled_from(["float16", "float32"]), seed=st.integers(0, 99), data=st.data(),
    )  # fmt: skip
    def test_what_is_written_is_read(self, frames, shard, arrays, dtype, seed, data) -> None:
        layout = Layout(frames, shard, arrays)
        features = make_features(layout, dtype, seed)
        order = data.draw(st.permutations(range(layout.shards)))
        with tempfile.TemporaryDirectory() as folder:
            store = self.make(Path(folder), layout, dtype=dtype)
            for n, s in enumerate(order):
                if data.draw(st.booleans()):
                    store = open_store(store.path)
                assert store.pending() == sorted(order[n:])
                fill(store, features, [s])
            store = open_store(store.path)
            rows = np.array(sorted(data.draw(st.sets(st.integers(0, frames - 1)))), dtype=int)
            a, b = sorted(data.draw(st.tuples(st.integers(0, frames), st.integers(0, frames))))
            for name, values in features.items():
                assert store.read(name).tobytes() == values.tobytes()
                blocks = data.draw(st.integers(1, arrays[name][0]))
                last = values[:, -blocks:]
                np.testing.assert_array_equal(store.read(name, blocks), last)
                np.testing.assert_array_equal(store.read(name, blocks, rows), last[rows])
                np.testing.assert_array_equal(store.read(name, frames=slice(a, b)), values[a:b])
            assert store.finish({"n": 1})
            assert open_store(store.path).complete
            assert open_store(store.path).read(name).tobytes() == values.tobytes()

    @SLOW
    @given(
        texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=7, max_size=7)
    )
    def test_status_and_reasons_are_kept(self, texts: list[str]) -> None:
        texts = [t.replace("\0", "") for t in texts]  # no reason holds a NUL
        status = np.array([FAILED if t else DONE for t in texts])
        layout = Layout(7, 3, {"cls": (1, 2)})
        with tempfile.TemporaryDirectory() as folder:
            store, features = self.make(Path(folder), layout), make_features(layout)
            for s in range(3):
                a, b = layout.bounds(s)
                rows = {n: v[a:b] for n, v in features.items()}
                store.write_shard(s, rows, status[a:b], texts[a:b])
            for finished in (False, True):
                if finished:
                    store.finish({})
                store = open_store(store.path)
                assert store.reasons() == {i: t for i, t in enumerate(texts) if t}
                np.testing.assert_array_equal(store.status(), status)
                bad = sorted({i // 3 for i, t in enumerate(texts) if t})
                assert store.pending(retry_failed=True) == bad
                assert store.pending() == []

    def test_frames_that_are_not_there_read_as_zero(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        features = make_features(store.layout)
        fill(store, features, [1])
        assert not store.complete
        assert not store.finish({})
        assert store.status().tolist() == [0] * 4 + [1] * 4 + [0] * 2
        np.testing.assert_array_equal(store.read("cls")[4:8], features["cls"][4:8])
        assert not store.read("cls")[:4].any()
        assert not store.read("cls", frames=np.array([0, 9])).any()

    def test_a_store_that_is_there_is_opened_not_made_anew(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        fill(store, make_features(store.layout), [0])
        assert self.make(tmp_path).pending() == [1, 2]

    def test_a_retried_shard_replaces_the_old_one(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        features = make_features(store.layout)
        rows = {"cls": np.zeros_like(features["cls"][:4])}
        store.write_shard(0, rows, np.full(4, FAILED), ["x: cut short"] * 4)
        fill(store, features, [1, 2])
        store.finish({})
        assert store.read("cls", frames=np.array([0, 7])).any(axis=(1, 2)).tolist() == [False, True]
        assert store.pending(retry_failed=True) == [0]
        fill(store, features, [0])
        store.finish({})
        for s in (store, open_store(store.path)):
            assert s.reasons() == {}
            assert s.pending(retry_failed=True) == []
            np.testing.assert_array_equal(s.read("cls"), features["cls"])
            np.testing.assert_array_equal(s.read("cls", frames=np.array([0, 7])),
                                          features["cls"][[0, 7]])  # fmt: skip

    def test_items_are_kept_and_replaced(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        n, nan = 10, float("nan")
        tables = [
            make_items(n),
            make_items(n, targets=None, task=None, classes=()),
            make_items(n, targets=np.where(np.eye(n)[:, :3] > 0, nan, 1.0), task="multilabel"),
            make_items(n, split=np.array(["train", "test"] * 5)),
        ]
        assert not store.set_items(tables[0])
        for table in tables[1:]:
            assert store.set_items(table)
            found = open_store(store.path).items()
            for name in ("ids", "groups", "split", "targets"):
                np.testing.assert_array_equal(getattr(found, name), getattr(table, name))
            assert found.about == table.about
            assert found.labels_digest == table.labels_digest
        renamed = make_items(n, groups=np.array([f"patient {i}" for i in range(n)]),
                             split=tables[-1].split)  # fmt: skip
        assert not store.set_items(renamed)
        assert store.items().groups.tolist() == tables[-1].groups.tolist()
        assert sum("items-" in name for name in store.path.names()) == 1
        np.testing.assert_array_equal(store.frame_item(), np.arange(n))
        assert (store.frame_item().dtype, store.frame_index().dtype) == (np.int64, np.int32)

    def test_a_pickled_store_opens_elsewhere(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        fill(store, make_features(store.layout))
        self.check(pickle.loads(pickle.dumps(store)), make_features(store.layout))

    # -- refusals ---------------------------------------------------------------------------------

    def test_another_key_is_refused_and_the_difference_named(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        with pytest.raises(StoreError, match="different: dataset, preprocess"):
            open_store(store.path, make_key(preprocess={"resize": 9}, dataset="e"))

    def test_rows_that_do_not_fit_are_refused(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        with pytest.raises(InputError, match="shard 2 is"):
            store.write_shard(2, {"cls": np.zeros((4, 2, 3))}, np.ones(2), ["", ""])
        with pytest.raises(InputError, match="ascending"):
            store.read("cls", frames=np.array([3, 3]))

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

    def test_a_claim_is_exclusive_and_ends_with_its_process(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        claim = store.claim(0)
        assert claim is not None
        with claim:
            assert open_store(store.path).claim(0) is None
            assert store.claimed() == [0]
            assert open_store(store.path).claim(1) is not None
        ready = faults.FORK.SimpleQueue()

        def hold() -> None:
            claim = open_store(store.path).claim(2)
            ready.put(claim is not None)
            time.sleep(60)

        process = faults.start(hold)
        assert ready.get()
        assert store.claim(2) is None
        process.kill()
        process.join()
        claim = store.claim(2)
        assert claim is not None
        claim.release()
        fill(store, make_features(store.layout), [2])
        assert store.claim(2) is None
        assert store.claim(2, committed=True) is not None

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
