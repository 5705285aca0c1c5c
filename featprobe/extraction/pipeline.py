"""Decode ahead, forward in batches, write behind: the loop over shards.

Batches never cross a shard, so the frames that share a batch are the same in an interrupted and in
an uninterrupted run, and so are the features, bit for bit.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import partial

import numpy as np

from featprobe.backbones.base import Backbone
from featprobe.core.errors import UnreadableItem
from featprobe.datasets.base import Dataset
from featprobe.extraction.batches import Batches
from featprobe.extraction.decoding import Decoded, Job, Runner, ahead, here, job
from featprobe.extraction.device import Forward
from featprobe.extraction.plan import FramePlan
from featprobe.extraction.shard import Shard
from featprobe.extraction.times import Times
from featprobe.images.appearance import Appearance
from featprobe.store.base import FeatureStore

BEHIND = 2  # shards that wait to be written


@dataclass
class Outcome:
    """What a run did: frames extracted, notes and appearances by item (failures are in the store).

    ``batch``: the size of batches at the end, smaller than at the start where memory was short.
    ``unrecorded``: why graphs that were asked for were not used.
    """

    frames: int = 0
    batch: int = 0
    notes: dict[int, str] = field(default_factory=dict)
    appearances: dict[int, Appearance] = field(default_factory=dict)
    times: Times = field(default_factory=Times)
    stopped: bool = False
    unrecorded: str = ""

    def __iadd__(self, more: Outcome) -> Outcome:
        self.frames += more.frames
        self.notes |= more.notes
        self.appearances |= more.appearances
        self.stopped |= more.stopped
        self.unrecorded = self.unrecorded or more.unrecorded
        for f in fields(Times):
            setattr(self.times, f.name, getattr(self.times, f.name) + getattr(more.times, f.name))
        return self


class Writer:
    """Writes shards in another thread, a bounded number behind."""

    def __init__(self, pool: ThreadPoolExecutor, times: Times, on_written: Callable[[int], None]):
        self.pool, self.times, self.on_written = pool, times, on_written
        self._waiting: deque[Future[None]] = deque()

    def put(self, shard: Shard) -> None:
        self._waiting.append(self.pool.submit(self._write, shard))
        self.drain(BEHIND)

    def drain(self, most: int = 0) -> None:
        """Wait until at most ``most`` are unwritten; an error of the writer is raised here."""
        begin = time.perf_counter()
        while len(self._waiting) > most:
            self._waiting.popleft().result()
        self.times.took("blocked", begin)

    def _write(self, shard: Shard) -> None:
        shard.write(self.times)
        self.on_written(shard.number)


def run(
    backbone: Backbone,
    dataset: Dataset,
    store: FeatureStore,
    plan: FramePlan,
    shards: Iterable[int],
    *,
    batch: int,
    workers: int,
    runner: Runner = here,
    together: int = 1,
    forward: Forward | None = None,
    strict: bool = False,
    stop: Callable[[], bool] = lambda: False,
    on_frames: Callable[[int], None] = lambda n: None,
    on_written: Callable[[int], None] = lambda shard: None,
) -> Outcome:
    """Extract shards, in the order in which they are given, into the store.

    ``runner`` decodes, ``workers`` messages of ``together`` items at a time. ``stop`` is asked
    between shards. Raises :class:`UnreadableItem` at the first unreadable item when ``strict``, and
    :class:`StoreError` when features do not fit the store's dtype or cannot be written.
    """
    outcome = Outcome()
    times = outcome.times
    forward = forward or Forward(backbone, store.key.outputs, store.key.precision, batch)
    device = Batches(backbone, forward, batch, times, store.key)
    counts = np.bincount(plan.item, minlength=len(dataset))
    order: deque[tuple[int, list[int]]] = deque()  # shards whose items have been sent to decode

    def jobs() -> Iterator[Callable[[], Job]]:
        before = -1
        for number in shards:
            if stop():
                return
            a, b = store.layout.bounds(number)
            items = np.unique(plan.item[a:b]).tolist()
            order.append((number, items))
            for item in items:
                if item != before:  # an item that goes on in the next shard is decoded once
                    yield partial(job, dataset, item, int(counts[item]))
                before = item

    stream = ahead(jobs(), runner, workers, together=together)
    current = Decoded(-1)
    full: deque[Shard] = deque()  # sent, but perhaps not back yet
    with ThreadPoolExecutor(1, "write") as pool:
        writer = Writer(pool, times, on_written)
        try:
            while True:
                begin = time.perf_counter()
                following = next(stream, None) if not order else None
                times.took("wait", begin)
                if not order:
                    break
                number, items = order.popleft()
                shard = Shard(number, store)
                for item in items:
                    if item != current.item:
                        begin = time.perf_counter()
                        current = following or next(stream)
                        following = None
                        times.took("wait", begin)
                        times.decode += current.seconds
                        assert current.item == item
                        if current.pixels is None and strict:
                            raise UnreadableItem(current.text)
                        if current.appearance is not None:
                            outcome.appearances[item] = current.appearance
                        if current.pixels is not None and current.text:
                            outcome.notes[item] = current.text
                    on_frames(_take(device, shard, current, plan))
                device.flush(shard)
                full.append(shard)
                _hand_over(full, writer)
                outcome.frames += shard.stop - shard.start
                if stop():
                    break
            begin = time.perf_counter()
            device.land(0)
            times.took("device", begin)
            _hand_over(full, writer)
            writer.drain()
        finally:
            stream.close()  # type: ignore[attr-defined]
    outcome.stopped = stop()
    return outcome


def _take(device: Batches, shard: Shard, decoded: Decoded, plan: FramePlan) -> int:
    """Put an item's frames into a shard; how many there are."""
    rows = shard.rows(plan, decoded.item)
    for row in rows:
        shard.reasons[row] = decoded.text
    if decoded.pixels is None:
        shard.fail(rows)
    else:
        device.add(shard, decoded, rows, plan.index[shard.start : shard.stop][rows])
    return len(rows)


def _hand_over(full: deque[Shard], writer: Writer) -> None:
    while full and not full[0].left:
        writer.put(full.popleft())
