"""What tests of stores are made of: keys, tables, features, and a store of any container."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.store.base import FeatureStore
from featprobe.store.containers import SUFFIXES, create_store
from featprobe.store.format import DONE, FeatureKey, Items, Layout


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
    """Extract as one of several processes: lock, write, look again. Returns what was written."""
    mine = []
    while todo := store.pending():
        for shard in todo:
            lock = store.lock_shard(shard)
            if lock is not None:
                with lock:
                    fill(store, features, [shard])
                    mine.append(shard)
        time.sleep(0.001)
    store.finish({})
    return mine


class StoreCase:
    """Makes and checks stores of the container ``kind``."""

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
