"""The cells of a leaderboard: those that are in the cache are taken, the others run."""

from __future__ import annotations

import time
from collections.abc import Sequence

from featprobe.core.errors import InputError, Unfinished, reason
from featprobe.core.progress import Progress
from featprobe.core.tracking import within
from featprobe.leaderboard.cell_work import Cache, Session
from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.grid import Grid
from featprobe.leaderboard.jobs import together
from featprobe.leaderboard.ledger import Ledger, Outcome, Report, trace_of
from featprobe.leaderboard.schedule import Task, part


def run(
    grid: Grid, cache: Cache = None, *, report: Report = lambda text: None, progress: bool = False,
    jobs: int = 1, shard: tuple[int, int] = (1, 1),
) -> Outcome:  # fmt: skip
    """Run what is missing of a leaderboard.

    A cell is known again by all that its numbers depend on: by
    :func:`~featprobe.evaluation.evaluate.request` or
    :func:`~featprobe.leaderboard.cell_work.training_request`. ``report`` is given a line for each
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
        board = Ledger(cells, report, bar)
        if jobs == 1:
            _alone(session, board)
        else:
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


def _alone(session: Session, board: Ledger) -> None:
    """All tasks in this process, one after the other."""
    while (task := board.schedule.next()) is not None:
        start, begun = time.perf_counter(), False

        def on_begin(there: bool, name: str, task: Task = task) -> None:
            nonlocal begun
            begun = True
            board.begun(task, there, name)

        session.begun = on_begin
        board.running = 1
        board.show()
        try:
            with within(board.cells[task.cells[0]].name.replace("/", "-")):
                made = session.perform(board.cells, task)
        except Unfinished:
            raise
        except Exception as error:  # whatever it was, the other cells can still be had
            board.running = 0
            board.failed(task, reason(error), trace_of(error), begun)
            continue
        seconds, board.running = time.perf_counter() - start, 0
        if isinstance(made, str):
            board.extracted(task, made, seconds)
        else:
            board.done(task, *made, seconds)
