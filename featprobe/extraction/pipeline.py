"""Decode ahead in threads, forward in batches, write behind: the loop over shards.

Batches never cross a shard, so the frames that share a batch are the same in an interrupted and in
an uninterrupted run, and so are the features, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch

from featprobe.backbones.base import Backbone
from featprobe.datasets.base import Dataset
from featprobe.errors import StoreError, UnreadableItem, reason
from featprobe.extraction.plan import FramePlan
from featprobe.images.intensity import Levels, value_range
from featprobe.store.base import FeatureStore
from featprobe.store.format import DONE, FAILED


@dataclass
class Times:
    """Seconds: ``decode`` summed over threads, ``wait`` for it, ``device``, ``write`` behind."""

    decode: float = 0.0
    wait: float = 0.0
    device: float = 0.0
    write: float = 0.0


@dataclass
class Decoded:
    """Pixels of an item with its black and white and its fit, or the reason it has none."""

    item: int
    pixels: np.ndarray | None = None
    levels: Levels = (0.0, 1.0)
    fit: str = "stretch"
    text: str = ""
    seconds: float = 0.0


@dataclass
class Outcome:
    """What a run did: frames extracted, and notes by item (failures are in the store)."""

    frames: int = 0
    notes: dict[int, str] = field(default_factory=dict)
    times: Times = field(default_factory=Times)


def decode(dataset: Dataset, item: int, planned: int) -> Decoded:
    """Read one item; every failure becomes a reason, never another item's pixels."""
    start = time.perf_counter()
    out = Decoded(item)
    try:
        picture = dataset.open(item)
        if len(picture.pixels) != planned:
            raise UnreadableItem(
                f"{dataset.ids[item]}: {len(picture.pixels)} frames, its header says {planned}"
            )
        out.levels = value_range(picture, dataset.recipe.intensity)
        out.fit = dataset.recipe.fit
        notes = list(picture.notes)
        if picture.pixels.min() == picture.pixels.max():
            notes.append(f"constant image, every value is {picture.pixels.flat[0]}")
        out.pixels, out.text = picture.pixels, "; ".join(notes)
    except Exception as error:  # whatever a damaged file provokes is that item's reason
        out.text = reason(error)
    out.seconds = time.perf_counter() - start
    return out


def ahead(
    items: Sequence[int], job: Callable[[int], Decoded], workers: int, depth: int
) -> Iterator[Decoded]:
    """Results of ``job`` in order, at most ``depth`` items decoded ahead."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        todo = iter(items)
        queue: list[Future[Decoded]] = [pool.submit(job, i) for i in islice(todo, depth)]
        try:
            while queue:
                yield queue.pop(0).result()
                queue.extend(pool.submit(job, i) for i in islice(todo, 1))
        finally:
            for future in queue:
                future.cancel()


def run(
    backbone: Backbone,
    dataset: Dataset,
    store: FeatureStore,
    plan: FramePlan,
    shards: Sequence[int],
    *,
    batch: int,
    workers: int,
    strict: bool = False,
    on_frames: Callable[[int], None] = lambda n: None,
) -> Outcome:
    """Extract the named shards in order into the store.

    Raises :class:`UnreadableItem` at the first unreadable item when ``strict``, and
    :class:`StoreError` when features do not fit the store's dtype or cannot be written.
    """
    outcome = Outcome()
    bounds = [store.layout.bounds(s) for s in shards]
    counts = np.bincount(plan.item, minlength=len(dataset))
    needed: list[int] = []  # each run of neighbouring shards decodes an item once
    for a, b in bounds:
        needed.extend(i for i in np.unique(plan.item[a:b]).tolist() if i not in needed[-1:])
    stream = ahead(
        needed, lambda i: decode(dataset, i, int(counts[i])), workers, depth=2 * workers + 1
    )
    current = Decoded(-1)
    writing: Future[None] | None = None
    with ThreadPoolExecutor(1) as writer:
        for shard, (a, b) in zip(shards, bounds):
            work = _Shard(backbone, store, b - a, batch, outcome.times)
            for item in np.unique(plan.item[a:b]).tolist():
                if item != current.item:
                    start = time.perf_counter()
                    current = next(stream)
                    outcome.times.wait += time.perf_counter() - start
                    outcome.times.decode += current.seconds
                    assert current.item == item
                    if current.pixels is None:
                        if strict:
                            raise UnreadableItem(current.text)
                    elif current.text:
                        outcome.notes[item] = current.text
                where = np.flatnonzero(plan.item[a:b] == item)
                work.add(current, where, plan.index[a:b][where])
                on_frames(len(where))
            work.finish()
            if writing is not None:
                writing.result()
            writing = writer.submit(_write, store, shard, work, outcome.times)
            outcome.frames += b - a
        if writing is not None:
            writing.result()
    return outcome


def _write(store: FeatureStore, shard: int, work: _Shard, times: Times) -> None:
    start = time.perf_counter()
    store.write_shard(shard, work.arrays, work.status, work.reasons)
    times.write += time.perf_counter() - start


class _Shard:
    """The features of one shard while they are made."""

    def __init__(
        self, backbone: Backbone, store: FeatureStore, frames: int, batch: int, times: Times
    ) -> None:
        self.backbone, self.batch, self.times = backbone, batch, times
        self.key = store.key
        self.where = f"{store.dataset} / {store.backbone}"
        self.arrays = {
            name: np.zeros((frames, *shape), dtype=store.key.dtype)
            for name, shape in store.layout.arrays.items()
        }
        self.status = np.full(frames, DONE, dtype=np.uint8)
        self.reasons = [""] * frames
        self._frames: list[torch.Tensor] = []
        self._rows: list[int] = []

    def add(self, decoded: Decoded, rows: np.ndarray, index: np.ndarray) -> None:
        """Queue the frames ``index`` of an item for the rows of this shard."""
        for row in rows:
            self.reasons[row] = decoded.text
        if decoded.pixels is None:
            self.status[rows] = FAILED
            return
        for start in range(0, len(rows), self.batch):  # a large volume never goes up whole
            part = slice(start, start + self.batch)
            begin = time.perf_counter()
            pixels, (low, high) = decoded.pixels[index[part]], decoded.levels
            x = self.backbone.prepare(pixels, low, high, decoded.fit)
            self.times.device += time.perf_counter() - begin
            self._frames.append(x)
            self._rows.extend(rows[part].tolist())
            while len(self._rows) >= self.batch:
                self._forward()

    def finish(self) -> None:
        """Send the last, possibly short batch."""
        while self._rows:
            self._forward()

    def _forward(self) -> None:
        start = time.perf_counter()
        x = torch.cat(self._frames) if len(self._frames) > 1 else self._frames[0]
        rows, self._rows = self._rows[: self.batch], self._rows[self.batch :]
        self._frames = [x[self.batch :]] if len(x) > self.batch else []
        out = self.backbone.forward(x[: self.batch], self.key.outputs, self.key.precision)
        for name, values in out.items():
            self._store(name, rows, values.cpu().numpy())
        self.times.device += time.perf_counter() - start

    def _store(self, name: str, rows: list[int], values: np.ndarray) -> None:
        with np.errstate(over="ignore"):
            stored = values.astype(self.key.dtype)
        fine = np.isfinite(stored).reshape(len(stored), -1).all(1)
        if not fine.all():
            if np.isfinite(values[~fine]).all():
                raise StoreError(
                    f"{self.where}: {name} features reach {np.abs(values).max():.3g}, beyond "
                    f"{self.key.dtype}; extract with --dtype float32"
                )
            for row in np.asarray(rows)[~fine]:
                self.status[row] = FAILED
                self.reasons[row] = "the backbone returned NaN or infinite features"
            stored[~fine] = 0
        self.arrays[name][rows] = stored
