"""What every container of features must do. Needs the ``test`` extra.

    class TestMine(StoreContract):
        kind = "mine"

Override :meth:`StoreContract.path` for another place.
"""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError, StoreError
from featprobe.store.containers import open_store
from featprobe.store.format import DONE, FAILED, Layout
from featprobe.testing.cases import fill, make_features, make_items, make_key
from featprobe.testing.store_faults import StoreFaults

SHAPES = st.dictionaries(
    st.sampled_from(["cls", "mean", "tokens"]),
    st.one_of(
        st.tuples(st.integers(1, 4), st.integers(1, 9)),
        st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(1, 5)),
    ),
    min_size=1,
)
SLOW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class StoreContract(StoreFaults):
    """Subclass, set ``kind``, and let pytest collect it."""

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
