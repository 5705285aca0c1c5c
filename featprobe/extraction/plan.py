"""Frames to shards: what an extraction will do, known before the first pixel is decoded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from featprobe.datasets.base import Dataset
from featprobe.errors import FeatprobeError
from featprobe.progress import Progress


@dataclass(frozen=True)
class FramePlan:
    """Frames in order: ``item`` (F,) non-decreasing, ``index`` (F,) within the item."""

    item: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.item)


def plan_frames(dataset: Dataset, workers: int = 4, show: bool = False) -> FramePlan:
    """Count the frames of every item from headers.

    An item whose header cannot be read is planned as one frame; decoding will fail and record why.
    """

    def count(i: int) -> int:
        try:
            return max(1, dataset.frames(i))
        except (FeatprobeError, OSError):
            return 1

    counts = np.empty(len(dataset), dtype=np.int64)
    with (
        Progress("reading headers", len(dataset), "items", show) as progress,
        ThreadPoolExecutor(max(1, workers)) as pool,
    ):
        for i, n in enumerate(pool.map(count, range(len(dataset)))):
            counts[i] = n
            progress.advance()
    item = np.repeat(np.arange(len(dataset)), counts)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    return FramePlan(item, np.arange(len(item)) - start)
