"""One measured ratio or rate, and how two things are timed side by side."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass


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
        return bool(self.ratio >= self.must if self.more else self.ratio <= self.must)

    def line(self) -> str:
        """The row as it is printed."""
        goal = ""
        if self.must is not None:
            goal = f"{'>=' if self.more else '<='} {self.must:g}"
            goal += "" if self.reached else "  MISSED"
        sides = f"{self.ours:.4g} / {self.theirs:.4g} {self.unit} {self.note}"
        return f"{self.ratio:8.3f}  {goal:16} {self.name}: {sides}".rstrip()

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}


@dataclass(frozen=True)
class Rate:
    """A simulated share (coverage, error, power) of ``runs``, and the range it has to lie in.

    ``low``, ``high``: None where there is no goal on that side. The Monte Carlo error of a share is
    printed beside it; a goal is missed where the share itself is outside.
    """

    name: str
    rate: float
    runs: int
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if self.low is None and self.high is None:
            return None
        above = self.low is None or self.rate >= self.low
        return bool(above and (self.high is None or self.rate <= self.high))  # never numpy's

    @property
    def error(self) -> float:
        """Standard error of the share."""
        return math.sqrt(self.rate * (1 - self.rate) / self.runs) if self.runs else math.nan

    def line(self) -> str:
        """The row as it is printed."""
        bounds = [f">= {self.low:g}" if self.low is not None else ""]
        bounds += [f"<= {self.high:g}" if self.high is not None else ""]
        goal = " ".join(filter(None, bounds)) + ("  MISSED" if self.reached is False else "")
        said = f"{self.rate:8.3f}  {goal:22} {self.name}: of {self.runs}, +- {self.error:.3f}"
        return f"{said} {self.note}".rstrip()

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return {**asdict(self), "error": self.error, "reached": self.reached}


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
