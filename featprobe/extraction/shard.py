"""The features of a shard, from its first frame to its commit."""

from __future__ import annotations

import time

import numpy as np

from featprobe.core.errors import StoreError
from featprobe.extraction.plan import FramePlan
from featprobe.extraction.times import Times
from featprobe.store.base import FeatureStore
from featprobe.store.format import DONE, FAILED
from featprobe.store.quantised import written


class Shard:
    """The features of one shard while they are made."""

    def __init__(self, number: int, store: FeatureStore) -> None:
        self.number, self.store = number, store
        self.start, self.stop = store.layout.bounds(number)
        frames = self.stop - self.start
        self.arrays = {
            name: np.zeros((frames, *shape), dtype=written(store.key.dtype))
            for name, shape in store.layout.arrays.items()
        }
        self.status = np.full(frames, DONE, dtype=np.uint8)
        self.reasons = [""] * frames
        self.left = frames  # rows without features yet

    def rows(self, plan: FramePlan, item: int) -> np.ndarray:
        """Rows of this shard that are frames of an item."""
        inside = plan.item[self.start : self.stop]
        return np.arange(*np.searchsorted(inside, [item, item + 1]))

    def fail(self, rows: np.ndarray) -> None:
        """Record rows that have no pixels."""
        self.status[rows] = FAILED
        self.left -= len(rows)

    def fill(self, rows: list[int], features: dict[str, np.ndarray]) -> None:
        """Store features of rows; those that are not finite are recorded as failed.

        Raises :class:`StoreError` for finite features that the dtype on disk cannot hold.
        """
        for name, values in features.items():
            with np.errstate(over="ignore"):
                stored = values.astype(written(self.store.key.dtype))
            fine = np.isfinite(stored).reshape(len(stored), -1).all(1)
            if not fine.all():
                if np.isfinite(values[~fine]).all():
                    raise StoreError(
                        f"{self.store.dataset} / {self.store.backbone}: {name} features reach "
                        f"{np.abs(values).max():.3g}, beyond {self.store.key.dtype}; extract with "
                        "--dtype float32"
                    )
                for row in np.asarray(rows)[~fine]:
                    self.status[row] = FAILED
                    self.reasons[row] = "the backbone returned NaN or infinite features"
                stored[~fine] = 0
            self.arrays[name][rows] = stored
        self.left -= len(rows)

    def write(self, times: Times) -> None:
        """Commit."""
        start = time.perf_counter()
        self.store.write_shard(self.number, self.arrays, self.status, self.reasons)
        times.write += time.perf_counter() - start
