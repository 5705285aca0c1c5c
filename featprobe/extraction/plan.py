"""Frames to shards: what an extraction will do, known before the first pixel is decoded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from featprobe.core.errors import FeatprobeError
from featprobe.core.progress import Progress
from featprobe.datasets.base import Dataset
from featprobe.extraction.elsewhere import decoded_elsewhere

BLOCK = 256  # items a task of the pool counts: a future for each of a million would not be flat


@dataclass(frozen=True)
class FramePlan:
    """Frames in order: ``item`` (F,) non-decreasing, ``index`` (F,) within the item."""

    item: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.item)


def plan_frames(
    dataset: Dataset, workers: int = 4, show: bool | Literal["json"] = False
) -> FramePlan:
    """Count the frames of every item from headers; what has to be decoded for it is so elsewhere.

    An item whose header cannot be read is planned as one frame; decoding will fail and record why.
    """

    def count(block: range) -> list[int]:
        return [_frames(dataset, i) for i in block]

    counts = np.empty(len(dataset), dtype=np.int64)
    blocks = [range(a, min(a + BLOCK, len(dataset))) for a in range(0, len(dataset), BLOCK)]
    with (
        Progress("reading headers", len(dataset), "items", show) as progress,
        ThreadPoolExecutor(max(1, workers)) as pool,
        decoded_elsewhere(dataset),
    ):
        for block, found in zip(blocks, pool.map(count, blocks)):
            counts[block.start : block.stop] = found
            progress.advance(len(block))
    item = np.repeat(np.arange(len(dataset)), counts)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    return FramePlan(item, np.arange(len(item)) - start)


def _frames(dataset: Dataset, i: int) -> int:
    try:
        return max(1, dataset.frames(i))
    except (FeatprobeError, OSError):
        return 1
