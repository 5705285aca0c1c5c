"""The account of a run of a leaderboard: what became of each cell, told line by line."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from featprobe.core.errors import FeatprobeError
from featprobe.core.progress import Progress
from featprobe.core.stopwatch import most_of
from featprobe.core.tracking import track
from featprobe.evaluation.results import Result
from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.schedule import Schedule, Task

Report = Callable[[str], None]


@dataclass
class Outcome:
    """The chosen Results of each cell that has some; ``failures``: of the others, cell and reason.

    ``cells``: the same by cell. ``ran`` and ``there`` count the cells that ran and those that were
    in the cache; ``seconds``: what was spent on extraction and on cells, by kind, summed over
    processes.
    """

    results: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ran: int = 0
    there: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    cells: list[tuple[Cell, list[Result]]] = field(default_factory=list)


class Ledger:
    """What has become of the cells, told line by line."""

    def __init__(self, cells: Sequence[Cell], report: Report, bar: Progress) -> None:
        self.cells, self.report, self.bar = cells, report, bar
        self.schedule = Schedule(cells)
        self.found: dict[int, list[Result]] = {}
        self.failures: list[str] = []
        self._names: dict[int, str] = {}
        self.ran = self.there = self.number = self.failed_cells = self.running = 0
        self.seconds: dict[str, float] = {}

    def begun(self, task: Task, there: bool, name: str) -> None:
        """A cell is run, or is there; it is called by its ``name`` from now on."""
        self.number += 1
        self._names[task.cells[0]] = name
        place = f"[{self.number}/{len(self.cells)}] {name}"
        self.report(f"{place}: in the cache" if there else place)

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
        of = self._name(i).replace("/", "-")
        for r in found:
            shots = "" if r.shots is None else f" {r.shots} shots"
            track({f"{of}{shots}/{n}": v for n, v in r.metrics.items() if ":" not in n})
        track({"cells/done": len(self.found), "cells/failed": self.failed_cells})
        self._spent("probes" if self.cells[i].probes else "fine-tuning", seconds)
        self.show()

    def failed(self, task: Task, why: str, trace: str = "", begun: bool = True) -> None:
        """A cell cannot be had, or features and with them all of their cells."""
        if trace:  # it is no mistake of the user's
            self.report(trace.rstrip())
        first, name = self.cells[task.cells[0]], self._name(task.cells[0])
        cells = self.schedule.failed(task)
        if task.model is not None:
            name = f"{first.data.name} / {task.model.name} ({len(task.cells)} cells)"
        if cells and (task.extracts or not begun):
            start, self.number = self.number + 1, self.number + len(cells)
            numbers = f"{start} to {self.number}" if len(cells) > 1 else f"{start}"
            self.report(f"[{numbers}/{len(self.cells)}] {name}")
        self.failed_cells += len(cells)
        self.failures.append(f"{name}: {' '.join(why.split())}")
        self.report(f"failed: {self.failures[-1]}")
        self.show()

    def _name(self, i: int) -> str:
        return self._names.get(i) or self.cells[i].name

    def show(self) -> None:
        """Bring the progress to where things stand."""
        said = [f"{self.running} running"] if self.running else []
        said += [f"{self.failed_cells} failed"] if self.failed_cells else []
        said += [most_of(self.seconds, sum(self.seconds.values()))] if self.seconds else []
        self.bar.more = ", ".join(said)
        self.bar.update(len(self.found) + self.failed_cells)

    def outcome(self) -> Outcome:
        """All results in the order of the file, each once."""
        found = {r.id: r for i in sorted(self.found) for r in self.found[i]}
        by_cell = [(self.cells[i], self.found[i]) for i in sorted(self.found)]
        return Outcome(
            list(found.values()), self.failures, self.ran, self.there, self.seconds, by_cell
        )

    def _spent(self, kind: str, seconds: float) -> None:
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds


def trace_of(error: Exception) -> str:
    """The traceback of what is no mistake of the user's."""
    if isinstance(error, (FeatprobeError, OSError)):
        return ""
    return "".join(traceback.format_exception(error))
