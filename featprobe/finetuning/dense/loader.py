"""Batches of frames with their masks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from featprobe.finetuning.frames import Frames
from featprobe.finetuning.loader import SCORED, Fed, FrameLoader, MicroBatch
from featprobe.images.grids import VOID
from featprobe.segmentation.cases import Cases


class DenseLoader(FrameLoader):
    """Reads single frames: rows are the frames of all cases, one after another.

    ``starts`` (N + 1,): the first row of each case. Labels of the ``wanted`` cases are brought to
    the grid of the answer here, once; ``known``: how many cells of each row have one, 0 of other
    cases.
    """

    def __init__(self, frames: Frames, cases: Cases, wanted: np.ndarray) -> None:
        counts = [cases.frames(i) for i in range(len(cases))]
        self.frames, self.cases = frames, cases
        self.starts = np.cumsum([0, *counts])
        self._case = np.repeat(np.arange(len(cases)), counts)
        self.known = np.zeros(len(self._case), dtype=np.int64)
        for i in wanted:  # before threads read them
            known = cases.target(int(i)) != VOID
            self.known[self.starts[i] : self.starts[i + 1]] = known.reshape(len(known), -1).sum(1)

    def rows_of(self, cases: np.ndarray) -> np.ndarray:
        """The rows of all frames of cases."""
        spans = [np.arange(self.starts[i], self.starts[i + 1]) for i in cases]
        return np.concatenate(spans) if spans else np.empty(0, dtype=np.int64)

    def read(self, part: MicroBatch) -> Fed:
        case = self._case[part.rows]
        place = part.rows - self.starts[case]
        batch = self.frames.single(self.cases.tokens.rows[case].tolist(), place.tolist())
        found = [self.cases.target(i, k, k + 1) for i, k in zip(case.tolist(), place.tolist())]
        return part, batch, torch.from_numpy(np.concatenate(found))

    def micro_batches(self, rows: np.ndarray) -> Iterator[MicroBatch]:
        for start in range(0, len(rows), SCORED):
            yield MicroBatch(rows[start : start + SCORED])
