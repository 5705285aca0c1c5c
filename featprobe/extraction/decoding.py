"""Decodes items ahead of the device: in worker processes or in threads."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from featprobe.core.errors import UnreadableItem, reason
from featprobe.datasets.base import Dataset
from featprobe.datasets.sources import FileSource
from featprobe.images.appearance import Appearance, appearance_of
from featprobe.images.decoded_image import FrameRecipe
from featprobe.images.intensity import Levels, apply_rule
from featprobe.images.plugins import in_this_process

BYTES_AHEAD = 1 << 30  # decoded pictures that wait for the device
_LOOKED_AT = 64  # files whose sizes are looked at
_SMALL, _TOGETHER = 64 << 10, 8  # bytes of a file, and how many such go in one message


@dataclass
class Decoded:
    """Pixels of an item with its black and white, its fit and its look, or why it has none."""

    item: int
    pixels: np.ndarray | None = None
    levels: Levels = (0.0, 1.0)
    fit: str = "stretch"
    text: str = ""
    seconds: float = 0.0
    appearance: Appearance | None = None
    sizes: np.ndarray | None = None  # as of a DecodedImage

    def alike(self, index: np.ndarray) -> Iterator[np.ndarray]:
        """The frames of an index in runs of one size, each cut to its own."""
        assert self.pixels is not None
        if self.sizes is None:
            run = len(index) and (np.diff(index) == 1).all()
            yield self.pixels[index[0] : index[-1] + 1] if run else self.pixels[index]
            return
        sizes = self.sizes[index]
        ends = np.flatnonzero((sizes[1:] != sizes[:-1]).any(1)) + 1
        for run in np.split(np.arange(len(index)), ends):
            height, width = sizes[run[0]]
            yield self.pixels[index[run], :height, :width]


@dataclass(frozen=True)
class Job:
    """One item to read: picklable when its source holds no open file.

    ``index``: of the item in ``source``; ``item``: in the data set; ``planned``: frames.
    """

    source: Any
    index: int
    item: int
    name: str
    recipe: FrameRecipe
    planned: int

    def run(self) -> Decoded:
        """Read it; every failure becomes a reason, never another item's pixels."""
        start = time.perf_counter()
        out = Decoded(self.item, fit=self.recipe.fit)
        try:
            picture = self.source.read(self.index, self.recipe)
            if len(picture.pixels) != self.planned:
                raise UnreadableItem(
                    f"{self.name}: {len(picture.pixels)} frames, its header says {self.planned}"
                )
            pixels, out.levels = apply_rule(picture, self.recipe.intensity)
            notes = list(picture.notes)
            if picture.pixels.min() == picture.pixels.max():
                notes.append(f"constant image, every value is {picture.pixels.flat[0]}")
            out.sizes = picture.sizes
            out.appearance = appearance_of(picture, pixels, out.levels, self.recipe.intensity)
            out.pixels, out.text = pixels, "; ".join(notes)
        except Exception as error:  # whatever a damaged file provokes is that item's reason
            out.text = reason(error)
        out.seconds = time.perf_counter() - start
        return out


def job(dataset: Dataset, item: int, planned: int) -> Job:
    """The job of one item. A source of files is cut down to the item's own."""
    source, index = dataset.source, item
    if isinstance(source, FileSource):
        source, index = source.only(item), 0
    return Job(source, index, item, str(dataset.ids[item]), dataset.recipe, planned)


@dataclass(frozen=True)
class Several:
    """Small items that go to a worker together: a message costs the main process more than they
    take."""

    jobs: Sequence[Job]

    def run(self) -> Together:
        return Together([job.run() for job in self.jobs])


@dataclass
class Together:
    """What came of :class:`Several`; ``pixels`` lie in the items themselves."""

    items: list[Decoded]
    pixels: None = None


def items_a_message(dataset: Dataset) -> int:
    """How many items to send to a worker at a time, as the sizes of some files tell."""
    paths = getattr(dataset.source, "paths", ())
    some = [ps[0] for ps in paths[:: max(1, len(paths) // _LOOKED_AT)] if len(ps) == 1]
    sizes = [os.path.getsize(p) for p in some if os.path.exists(p)]
    if len(sizes) < _LOOKED_AT or max(sizes) > _SMALL:
        return 1
    return _TOGETHER


class Runner(Protocol):
    """Runs a job somewhere; called from several threads. One that has ``several(jobs)``, too, is
    given more than one at a time where items are small."""

    def __call__(self, job: Job) -> Decoded: ...


def here(job: Job) -> Decoded:
    """Run a job in the calling thread."""
    return job.run()


def separable(dataset: Dataset) -> bool:
    """Whether items are files that another process can open by itself.

    A reader that was registered in this process, and not by a package, is in no other; neither is
    the device of this one.
    """
    if dataset.recipe.decode == "device":
        return False
    return hasattr(dataset.source, "paths") and not in_this_process(dataset.formats())


def ahead(
    jobs: Iterable[Callable[[], Job]],
    runner: Runner,
    workers: int,
    depth: int | None = None,
    most: int = BYTES_AHEAD,
    together: int = 1,
) -> Iterator[Decoded]:
    """Results in order, at most ``depth`` messages (default ``2 * workers + 1``) of ``together``
    items and about ``most`` bytes decoded ahead.

    Jobs are made when their turn comes. Closing the iterator cancels what has not begun.
    """  # fmt: skip
    depth = depth or 2 * workers + 1
    todo = iter(jobs)
    queue: deque[Future[list[Decoded]]] = deque()
    several = getattr(runner, "several", None) if together > 1 else None
    held = 0
    lock = threading.Lock()

    def run(makes: Sequence[Callable[[], Job]]) -> list[Decoded]:
        nonlocal held
        made = [make() for make in makes]
        out = [runner(job) for job in made] if several is None else several(made)
        with lock:
            held += sum(map(_bytes, out))
        return out

    with ThreadPoolExecutor(max(1, workers), "decode") as pool:
        try:
            while True:
                room = depth - len(queue) if held < most or not queue else 0
                size = together if several is not None else 1
                for _ in range(room):
                    if not (makes := list(islice(todo, size))):
                        break
                    queue.append(pool.submit(run, makes))
                if not queue:
                    return
                for out in queue.popleft().result():
                    with lock:
                        held -= _bytes(out)
                    yield out
        finally:
            for future in queue:
                future.cancel()


def _bytes(out: Decoded) -> int:
    return 0 if out.pixels is None else out.pixels.nbytes
