"""One measured ratio, and how two things are timed side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """``ratio`` of ``ours`` to ``theirs`` in the unit named; ``must`` is what it has to reach.

    ``more``: True where a larger ratio is better.
    """

    name: str
    ours: float
    theirs: float
    unit: str
    must: float | None = None
    more: bool = True
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def reached(self) -> bool | None:
        if self.must is None:
            return None
        return self.ratio >= self.must if self.more else self.ratio <= self.must


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], runs: int = 3,
    before: Callable[[], object] = lambda: None,
) -> tuple[float, float]:  # fmt: skip
    """Median seconds of both, run in turn so that a busy machine slows both.

    ``before`` runs ahead of each and is not timed.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(runs):
        order = ((0, ours), (1, theirs)) if i % 2 else ((1, theirs), (0, ours))
        for which, run in order:
            before()
            begin = time.perf_counter()
            run()
            times[which].append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])


def median_of(values: Iterable[float]) -> float:
    """Of the runs of one side."""
    return statistics.median(values)
