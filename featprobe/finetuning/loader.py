"""Batches of frames, read ahead of the device in a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
from torch import Tensor

from featprobe.finetuning.frames import Batch, Frames

AHEAD = 3  # batches
SCORED = 256  # frames that are scored together at most, unless an item has more


@dataclass(frozen=True)
class MicroBatch:
    """Rows that go through the network together: of a step's loss they are ``share``.

    ``last``: the step follows. ``seed``: of what is drawn for them; None takes all frames.
    """

    rows: np.ndarray
    share: float = 1.0
    last: bool = True
    seed: tuple[int, ...] | None = None


Fed = tuple[MicroBatch, Batch, Tensor]


class FrameLoader:
    """Reads the frames of rows.

    ``items`` (N,): the item in ``frames`` of each row; ``targets``: of each row, as the loss takes
    them. ``most``: frames of an item that are taken when a part has a seed, None for all.
    """

    def __init__(
        self, frames: Frames, items: np.ndarray, targets: Tensor, most: int | None = None
    ) -> None:
        self.frames, self.items, self.targets, self.most = frames, items, targets, most

    def read(self, part: MicroBatch) -> Fed:
        """The frames and targets of one."""
        choose = None
        if self.most is not None and part.seed is not None:
            rng, most = np.random.default_rng(part.seed), self.most

            def choose(n: int) -> np.ndarray | slice:
                return np.sort(rng.permutation(n)[:most]) if n > most else slice(None)

        batch = self.frames.batch(self.items[part.rows].tolist(), choose)
        return part, batch, self.targets[part.rows]

    def micro_batches(self, rows: np.ndarray) -> Iterator[MicroBatch]:
        """Those that cover rows in order, each of at most :data:`SCORED` frames."""
        counts = self.frames.count[self.items[rows]]
        begin = frames = 0
        for end, n in enumerate(counts.tolist()):
            if frames and frames + n > SCORED:
                yield MicroBatch(rows[begin:end])
                begin, frames = end, 0
            frames += n
        if begin < len(rows):
            yield MicroBatch(rows[begin:])

    @contextmanager
    def prefetched(self, parts: Iterable[MicroBatch]) -> Iterator[Iterator[Fed]]:
        """``with loader.prefetched(parts) as fed: for part, batch, target in fed``."""
        with ThreadPoolExecutor(1, "frames") as pool:
            todo = iter(parts)
            queue: deque[Future[Fed]] = deque()

            def run() -> Iterator[Fed]:
                while True:
                    queue.extend(
                        pool.submit(self.read, p) for p in islice(todo, AHEAD - len(queue))
                    )
                    if not queue:
                        return
                    yield queue.popleft().result()

            try:
                yield run()
            finally:
                for future in queue:
                    future.cancel()
