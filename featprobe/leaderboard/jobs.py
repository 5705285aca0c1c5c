"""Cells side by side: processes that each take the next task, under one that keeps the account."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import IO, Any

import cloudpickle

from featprobe.core.child import start_module
from featprobe.core.errors import InputError, Unfinished, reason
from featprobe.extraction.stopping import Stopping
from featprobe.extraction.workers import status_text
from featprobe.leaderboard.cell_work import Cache
from featprobe.leaderboard.grid import Grid
from featprobe.leaderboard.ledger import Ledger
from featprobe.leaderboard.schedule import Task

LOOK = 0.5  # s between looks at whether a signal has come


@dataclass(eq=False)
class Job:
    """A process, the connection to it, and what it is at."""

    process: subprocess.Popen[bytes]
    connection: Connection
    task: Task | None = None
    begun: bool = False
    start: float = 0.0


def together(grid: Grid, cache: Cache, board: Ledger, jobs: int) -> None:
    """Run all tasks of a board in so many processes.

    What a process dies of is the failure of its task, and another process takes its place. After
    SIGINT or SIGTERM each process commits the shard or ends the step that it is at; what is done is
    kept, and :class:`Unfinished` is raised.
    """
    with tempfile.TemporaryFile() as file:
        try:
            cloudpickle.dump((grid, board.cells, cache, jobs), file)
        except (pickle.PicklingError, TypeError, ValueError) as error:
            raise InputError(
                f"{grid.file}: cannot be sent to other processes ({reason(error)}); use --jobs 1"
            ) from error
        file.flush()
        group = _Jobs(file, jobs)
        try:
            with Stopping("what the processes are at") as stop:
                _lead(group, board, stop)
            if stop.signal:
                raise Unfinished(
                    f"stopped; {len(board.found)} of {len(board.cells)} cells are done; the same "
                    "command goes on from there",
                    128 + stop.signal,
                )
        finally:
            group.close()


def _lead(group: _Jobs, board: Ledger, stop: Stopping) -> None:
    asked = False
    while True:
        if stop.requested and not asked:
            asked = True
            group.interrupt()
        while not asked and group.free and (task := board.schedule.next()) is not None:
            group.give(task)
        board.running = len(group.busy)
        board.show()
        if not board.running:
            return
        for job, event in group.events(LOOK):
            _heard(board, job, event)


def _heard(board: Ledger, job: Job, event: tuple[Any, ...]) -> None:
    what, *more = event
    task = job.task
    assert task is not None
    if what == "begun":
        job.begun = True
        board.begun(task, *more)
        return
    job.task = None
    seconds = time.perf_counter() - job.start
    if what == "extracted":
        board.extracted(task, more[0], seconds)
    elif what == "done":
        board.done(task, more[0], more[1], seconds)
    elif what == "failed":
        board.failed(task, more[0], more[1], job.begun)


class _Jobs:
    """The processes. ``file``: holds what they work on; each reads it."""

    def __init__(self, file: IO[bytes], jobs: int) -> None:
        self._file, self._most = file, jobs
        self._every: list[Job] = []

    @property
    def busy(self) -> list[Job]:
        return [j for j in self._every if j.task is not None]

    @property
    def free(self) -> bool:
        return len(self.busy) < self._most

    def give(self, task: Task) -> None:
        """Have a process that has nothing to do, or a new one, do a task."""
        job = next((j for j in self._every if j.task is None), None) or self._started()
        job.task, job.begun, job.start = task, False, time.perf_counter()
        with contextlib.suppress(OSError):  # dead, as events() will tell
            job.connection.send(task)

    def events(self, seconds: float) -> list[tuple[Job, tuple[Any, ...]]]:
        """What processes have said; of one that died it is the failure of its task."""
        ready: list[Any] = wait([j.connection for j in self.busy], seconds)
        out: list[tuple[Job, tuple[Any, ...]]] = []
        for job in [j for j in self._every if j.connection in ready]:
            try:
                out.append((job, job.connection.recv()))
            except (EOFError, OSError):
                status = job.process.wait()
                self._drop(job)
                out.append((job, ("failed", f"its process ended ({status_text(status)})", "")))
        return out

    def interrupt(self) -> None:
        """Ask all to stop as soon as they can."""
        for job in self.busy:
            with contextlib.suppress(OSError):
                job.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End all processes."""
        for job in list(self._every):
            self._drop(job)

    def _started(self) -> Job:
        threads = max(1, (os.cpu_count() or 1) // self._most)
        process, ours = start_module(
            "featprobe.leaderboard.job",
            {"OMP_NUM_THREADS": str(threads), **os.environ},
            [self._file.fileno()], stdout=2,
            start_new_session=True,  # Ctrl-C is for the leading process, which passes it on
        )  # fmt: skip
        self._every.append(Job(process, Connection(ours.detach())))
        return self._every[-1]

    def _drop(self, job: Job) -> None:
        self._every.remove(job)
        job.connection.close()
        job.process.kill()
        job.process.wait()
