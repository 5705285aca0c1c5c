"""The cells of a leaderboard: those that are in the cache are taken, the others run."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from featprobe.core.errors import FeatprobeError, InputError, Unfinished, reason
from featprobe.core.progress import Progress
from featprobe.evaluation.results import Result
from featprobe.leaderboard.cell_work import Cache, Session
from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.grid import Grid
from featprobe.leaderboard.schedule import Schedule, Task, part

Tell = Callable[[str], None]


@dataclass
class Outcome:
    """The chosen Results of each cell that has some; ``failures``: of the others, cell and reason.

    ``ran`` and ``there`` count the cells that ran and those that were in the cache; ``seconds``:
    what was spent on extraction and on cells, by kind, summed over processes.
    """

    results: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ran: int = 0
    there: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def run(
    grid: Grid, cache: Cache = None, *, tell: Tell = lambda text: None, progress: bool = False,
    jobs: int = 1, shard: tuple[int, int] = (1, 1),
) -> Outcome:  # fmt: skip
    """Run what is missing of a leaderboard.

    A cell is known again by all that its numbers depend on: by
    :func:`~featprobe.evaluation.evaluate.request` or
    :func:`~featprobe.leaderboard.cell_work.training_request`. ``tell`` is given a line for each
    cell, with its number and how many there are. A cell that fails is named in the outcome, and the
    rest goes on. ``jobs``: processes side by side; the features of a backbone and a data set are
    extracted by one of them. ``shard``: (i, n), the i-th of n parts of the cells, from 1.

    Raises :class:`InputError` before anything runs where a data set cannot be opened or two have
    one name, and :class:`Unfinished` after SIGINT or SIGTERM.
    """
    i, n = shard
    if not 1 <= i <= n:
        raise InputError(f"--shard {i}/{n}: parts are counted from 1 to {n}")
    if jobs < 1:
        raise InputError(f"--jobs {jobs} must be at least 1")
    cells = part(grid.cells, i, n)
    session = Session(grid, cache, progress and jobs == 1)
    opened(session, cells)
    with Progress("cells", len(cells), "cells", progress) as bar:
        board = Ledger(cells, tell, bar)
        if jobs == 1:
            _alone(session, board)
        else:
            from featprobe.leaderboard.jobs import together

            together(grid, cache, board, min(jobs, max(1, len(cells))))
    return board.outcome()


def opened(session: Session, cells: Sequence[Cell]) -> None:
    """Open the data sets of the cells; two of one name are an :class:`InputError`."""
    names: dict[str, str] = {}
    for place in {c.data.place: c.data for c in cells}.values():
        name = session.dataset(place).name
        if names.setdefault(name, place.place) != place.place:
            raise InputError(
                f"{session.grid.file}: data: two data sets are called {name!r}; give one of them a "
                "'name'"
            )


class Ledger:
    """What has become of the cells, told line by line."""

    def __init__(self, cells: Sequence[Cell], tell: Tell, bar: Progress) -> None:
        self.cells, self.tell, self.bar = cells, tell, bar
        self.schedule = Schedule(cells)
        self.found: dict[int, list[Result]] = {}
        self.failures: list[str] = []
        self.ran = self.there = self.number = self.failed_cells = self.running = 0
        self.seconds: dict[str, float] = {}

    def begun(self, task: Task, there: bool) -> None:
        """A cell is run, or is there."""
        self.number += 1
        name = self.cells[task.cells[0]].name
        place = f"[{self.number}/{len(self.cells)}] {name}"
        self.tell(f"{place}: in the cache" if there else place)

    def extracted(self, task: Task, store: str, seconds: float) -> None:
        """The features that cells wait for are there."""
        self._spent("extraction", seconds)
        self.schedule.extracted(task, store)
        self.show()

    def done(self, task: Task, found: list[Result], ran: bool, seconds: float) -> None:
        """A cell has its results."""
        i = task.cells[0]
        self.found[i] = found
        self.ran += ran
        self.there += not ran
        self._spent("probes" if self.cells[i].probes else "fine-tuning", seconds)
        self.show()

    def failed(self, task: Task, why: str, trace: str = "", begun: bool = True) -> None:
        """A cell cannot be had, or features and with them all of their cells."""
        if trace:  # it is no mistake of the user's
            self.tell(trace.rstrip())
        first, name = self.cells[task.cells[0]], self.cells[task.cells[0]].name
        if task.extracts:
            name = f"{first.data.name} / {first.model.name} ({len(task.cells)} cells)"
        if task.extracts or not begun:
            start, self.number = self.number + 1, self.number + len(task.cells)
            numbers = f"{start} to {self.number}" if len(task.cells) > 1 else f"{start}"
            self.tell(f"[{numbers}/{len(self.cells)}] {name}")
        self.failed_cells += len(task.cells)
        self.failures.append(f"{name}: {' '.join(why.split())}")
        self.tell(f"failed: {self.failures[-1]}")
        self.show()

    def show(self) -> None:
        """Bring the progress to where things stand."""
        said = [f"{self.running} running"] if self.running > 1 else []
        said += [f"{self.failed_cells} failed"] if self.failed_cells else []
        self.bar.more = ", ".join(said)
        self.bar.update(len(self.found) + self.failed_cells)

    def outcome(self) -> Outcome:
        """All results in the order of the file, each once."""
        found = {r.id: r for i in sorted(self.found) for r in self.found[i]}
        return Outcome(list(found.values()), self.failures, self.ran, self.there, self.seconds)

    def _spent(self, kind: str, seconds: float) -> None:
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds


def perform(session: Session, cells: Sequence[Cell], task: Task) -> str | tuple[list[Result], bool]:
    """The path of the features of a task, or the results of its cell and whether it had to run."""
    cell = cells[task.cells[0]]
    return session.features(cell.model, cell.data) if task.extracts else session.results(
        cell, task.store
    )  # fmt: skip


def trace_of(error: Exception) -> str:
    """The traceback of what is no mistake of the user's."""
    if isinstance(error, (FeatprobeError, OSError)):
        return ""
    return "".join(traceback.format_exception(error))


def _alone(session: Session, board: Ledger) -> None:
    """All tasks in this process, one after the other."""
    while (task := board.schedule.next()) is not None:
        start, begun = time.perf_counter(), False

        def told(there: bool, task: Task = task) -> None:
            nonlocal begun
            begun = True
            board.begun(task, there)

        session.begun = told
        try:
            made = perform(session, board.cells, task)
        except Unfinished:
            raise
        except Exception as error:  # whatever it was, the other cells can still be had
            board.failed(task, reason(error), trace_of(error), begun)
            continue
        seconds = time.perf_counter() - start
        if isinstance(made, str):
            board.extracted(task, made, seconds)
        else:
            board.done(task, *made, seconds)
