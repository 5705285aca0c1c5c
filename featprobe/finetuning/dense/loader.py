"""Batches of frames with their masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch

from featprobe.core.progress import Progress
from featprobe.finetuning.frames import Frames
from featprobe.finetuning.loader import SCORED, Fed, FrameLoader, MicroBatch
from featprobe.images.grids import VOID
from featprobe.segmentation.items import MaskedItems


class DenseLoader(FrameLoader):
    """Reads single frames: rows are the frames of all items, one after another.

    ``starts`` (N + 1,): the first row of each item. Labels of the ``wanted`` items are brought to
    the grid of the answer here, once; ``known``: how many cells of each row have one, 0 of other
    items.
    """

    def __init__(
        self, frames: Frames, masked: MaskedItems, wanted: np.ndarray,
        progress: bool | Literal["json"] = False,
    ) -> None:  # fmt: skip
        counts = [masked.frames(i) for i in range(len(masked))]
        self.frames, self.masked = frames, masked
        self.starts = np.cumsum([0, *counts])
        self._item = np.repeat(np.arange(len(masked)), counts)
        self.known = np.zeros(len(self._item), dtype=np.int64)
        with Progress("masks", len(wanted), "items", progress) as shown:
            for i in wanted:  # before threads read them
                known = (masked.target(int(i)) != VOID).reshape(masked.frames(int(i)), -1)
                self.known[self.starts[i] : self.starts[i + 1]] = known.sum(1)
                shown.advance(1)

    def rows_of(self, items: np.ndarray) -> np.ndarray:
        """The rows of all frames of items."""
        spans = [np.arange(self.starts[i], self.starts[i + 1]) for i in items]
        return np.concatenate(spans) if spans else np.empty(0, dtype=np.int64)

    def read(self, part: MicroBatch) -> Fed:
        item = self._item[part.rows]
        place = part.rows - self.starts[item]
        batch = self.frames.single(self.masked.tokens.rows[item].tolist(), place.tolist())
        found = [self.masked.target(i, k, k + 1) for i, k in zip(item.tolist(), place.tolist())]
        return part, batch, torch.from_numpy(np.concatenate(found))

    def micro_batches(self, rows: np.ndarray) -> Iterator[MicroBatch]:
        for start in range(0, len(rows), SCORED):
            yield MicroBatch(rows[start : start + SCORED])
