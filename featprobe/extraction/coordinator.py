"""Distributes shards over several processes; shards of one that dies are tried again."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from featprobe.core.errors import InputError
from featprobe.extraction.options import Settings
from featprobe.extraction.pipeline import Outcome
from featprobe.extraction.shard_worker import Report
from featprobe.store.base import FeatureStore
from featprobe.store.format import DONE

TRIES = 3  # of a shard whose process dies, and of a process that dies while it starts
RUN = 8  # neighbouring shards at most that are handed out together
DEATHS = 10  # more than this in a row without one shard committed, and it is not the shards
SLOW = 60.0  # seconds without any process ready, after which that is told


class WorkerGroup(Protocol):
    """Processes with a :class:`~featprobe.extraction.shard_worker.ShardWorker` each.

    Every one sends a report when it is ready, and one for each ``ask`` after that.
    """

    @property
    def slots(self) -> Sequence[str]:
        """Names of where there is room for one."""

    def start(self, slot: int) -> Any:
        """The link to a new process in a slot; it is not waited for."""

    def ask(self, link: Any, shards: list[int] | None, stop: bool) -> None:
        """Have ``ShardWorker.exchange`` called."""

    def wait(self, seconds: float) -> list[tuple[Any, Report]]:
        """Reports that have come; ``died`` in that of a process that is gone."""

    def drop(self, link: Any) -> None:
        """End a process at once."""


@dataclass(eq=False)
class Worker:
    """A process as the coordinator sees it: the shards ``assigned`` to it, and the ``frames`` it
    has reported since its last outcome. ``alone``: it has one suspect shard and gets no other."""

    slot: int
    link: Any
    ready: bool = False
    alone: bool = False
    assigned: list[int] = field(default_factory=list)
    frames: int = 0


class Coordinator:
    """Hands out short runs of neighbouring shards to whoever asks.

    What a dead process was given and has not committed is tried again, each shard alone; one that
    was lost :data:`TRIES` times is given up and named when all the others are committed.
    """

    def __init__(
        self, group: WorkerGroup, store: FeatureStore, shards: Iterable[int], o: Settings, *,
        stop: Callable[[], bool], on_frames: Callable[[int], None],
    ) -> None:  # fmt: skip
        self.group, self.store, self.o = group, store, o
        self.stop, self.on_frames = stop, on_frames
        self.todo = deque(shards)
        self.suspects: deque[int] = deque()
        self.given_up: list[int] = []
        self.workers: list[Worker] = []
        self.outcome = Outcome(batch=min(o.batch_size, store.layout.shard))
        self._error: Exception | None = None
        self._deaths: Counter[int] = Counter()  # by shard
        self._starts: Counter[int] = Counter()  # failed ones, by slot
        self._in_a_row = 0
        self._salvaged: list[int] = []  # shards that a process committed before it died

    def run(self) -> Outcome:
        """Until everything is committed, given up or stopped. Raises what a process reports."""
        count = min(len(self.group.slots), len(self.todo))
        for slot in range(count):
            self._start(slot)
        begin = reported = time.monotonic()
        while self._busy() or (not self._stopping() and (self.todo or self.suspects)):
            for link, report in self.group.wait(0.5):
                worker = next((m for m in self.workers if m.link is link), None)
                if worker is not None:
                    self._on_report(worker, report)
            if not self._stopping():
                for worker in self.workers:
                    if worker.ready and not worker.assigned:
                        self._assign(worker)
            if reported == begin and time.monotonic() > begin + SLOW:
                reported = time.monotonic()
                if not any(m.ready for m in self.workers):
                    _print(f"still waiting for {len(self.workers)} processes to start")
        if self._error is not None:
            raise self._error
        self.outcome.stopped = self.stop()
        if self.given_up and not self.outcome.stopped:
            raise InputError(self._verdict())
        self._notes_of_the_dead()
        for name in ("wait", "device", "write", "blocked"):
            value = getattr(self.outcome.times, name) / count
            setattr(self.outcome.times, name, value)
        return self.outcome

    # -- dispatch -------------------------------------------------------------------------------

    def _busy(self) -> bool:
        return any(m.assigned for m in self.workers)

    def _stopping(self) -> bool:
        return self._error is not None or self.stop()

    def _start(self, slot: int) -> None:
        self.workers.append(Worker(slot, self.group.start(slot)))

    def _run(self) -> list[int]:
        """The next shards: fewer towards the end, so that all processes end together."""
        n = max(1, min(RUN, len(self.todo) // (2 * len(self.workers))))
        return [self.todo.popleft() for _ in range(min(n, len(self.todo)))]

    def _assign(self, worker: Worker) -> None:
        worker.alone = not self.todo and bool(self.suspects)
        shards = [self.suspects.popleft()] if worker.alone else self._run()
        if shards:
            worker.assigned, worker.frames = list(shards), 0
            self.group.ask(worker.link, shards, False)

    def _on_report(self, worker: Worker, report: Report) -> None:
        if report.died:
            self._replace(worker, report.died)
            return
        worker.ready = True
        worker.frames += report.frames
        self.on_frames(report.frames)
        if report.error is not None:
            self._error = self._error or report.error
            worker.assigned = []
        elif report.outcome is not None:
            self._add(report.outcome)
            worker.assigned = []
            self._in_a_row = 0
        elif worker.assigned:
            stopping = self._stopping()
            more: list[int] | None = None
            if report.wants:
                more = [] if stopping or worker.alone else self._run()
                worker.assigned += more
            self.group.ask(worker.link, more, stopping)

    # -- the dead -------------------------------------------------------------------------------

    def _replace(self, worker: Worker, why: str) -> None:
        """Take its shards back and start another in its slot."""
        self.group.drop(worker.link)
        self.workers.remove(worker)
        lost = self._uncommitted(worker.assigned)
        saved = [s for s in worker.assigned if s not in lost]
        frames = sum(b - a for a, b in map(self.store.layout.bounds, saved))
        self.on_frames(frames - worker.frames)
        self.outcome.frames += frames
        self._salvaged += saved
        self._deaths.update(lost)
        again = [s for s in lost if self._deaths[s] < TRIES]
        self.suspects += again
        self.given_up += [s for s in lost if s not in again]
        name = self.group.slots[worker.slot]
        retried = f"; {len(again)} unfinished shards are tried again" if again else ""
        _print(f"the process on {name} died ({why}){retried}")
        self._in_a_row = 0 if saved else self._in_a_row + 1
        self._starts[worker.slot] = 0 if worker.ready else self._starts[worker.slot] + 1
        if self._stopping() or not (self.todo or self.suspects):
            return
        if self._starts[worker.slot] < TRIES:
            self._start(worker.slot)
        if not self.workers or self._in_a_row > DEATHS + len(self.group.slots):
            self._error = InputError(
                f"the processes die one after the other, the last on {name} ({why}); what is "
                "committed stays, and the same command goes on from there"
            )

    def _uncommitted(self, shards: list[int]) -> list[int]:
        if self.o.retry_failed:  # a frame that failed before looks the same when it fails again
            return list(shards)
        pending = set(self.store.pending())
        return [s for s in shards if s in pending]

    def _verdict(self) -> str:
        item = self.store.frame_item()
        ids = self.store.items().ids
        reported = []
        for shard in sorted(self.given_up)[:3]:
            a, b = self.store.layout.bounds(shard)
            names = [str(ids[i]) for i in np.unique(item[a:b])]
            span = ", ".join(names) if len(names) < 5 else f"{names[0]} to {names[-1]}"
            reported.append(f"shard {shard} ({len(names)} items: {span})")
        more = len(self.given_up) - len(reported)
        decoder = "" if self.o.workers else ", or a file that breaks its decoder (--workers 1)"
        return (
            f"{self.store.path.stem}: {TRIES} processes died one after the other of "
            f"{'; of '.join(reported)}{f'; and {more} shards more' if more else ''}; all others "
            f"are committed. Perhaps too little memory (a smaller --batch-size){decoder}"
        )

    # -- what came of it ------------------------------------------------------------------------

    def _add(self, one: Outcome) -> None:
        self.outcome.batch = min(self.outcome.batch, one.batch)
        self.outcome += one

    def _notes_of_the_dead(self) -> None:
        if not self._salvaged:
            return
        item, status, reasons = self.store.frame_item(), self.store.status(), self.store.reasons()
        for shard in self._salvaged:
            for row in range(*self.store.layout.bounds(shard)):
                if row in reasons and status[row] == DONE:
                    self.outcome.notes[int(item[row])] = reasons[row]


def _print(text: str) -> None:
    print(f"featprobe: {text}", file=sys.stderr, flush=True)
