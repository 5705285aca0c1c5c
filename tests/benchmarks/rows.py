"""One measured ratio or rate against its goal, and how things are timed side by side."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from tests.benchmarks.others import QUIET

T = TypeVar("T")


@dataclass(frozen=True)
class Goal:
    """What a number has to be: at least ``low``, at most ``high``, between them, or anything."""

    low: float | None = None
    high: float | None = None

    def reached(self, value: float) -> bool | None:
        """None where there is no goal; what is not a number reaches none."""
        if self.low is None and self.high is None:
            return None
        above = self.low is None or value >= self.low
        return bool(above and (self.high is None or value <= self.high))  # never numpy's

    def missed_by(self, value: float) -> float:
        """How many times as good it would have to be: 1 where the goal is reached."""
        if self.reached(value) is not False:
            return 1.0
        if self.low is not None and not value >= self.low:
            return self.low / value if value > 0 else math.inf
        return value / self.high if self.high and value == value else math.inf

    def text(self, value: float) -> str:
        """The goal in words, with MISSED where a number misses it."""
        bounds = [f">= {self.low:g}"] if self.low is not None else []
        bounds += [f"<= {self.high:g}"] if self.high is not None else []
        bounds += ["MISSED"] if self.reached(value) is False else []
        return " ".join(bounds) or "no goal"


class Measured:
    """What a row of any kind has: a number held against a goal, and how it is printed.

    ``others``: on how many cores other processes ran meanwhile; None where that was not seen.
    """

    name: str
    note: str
    others: float | None

    @property
    def value(self) -> float:
        raise NotImplementedError

    @property
    def goal(self) -> Goal:
        raise NotImplementedError

    @property
    def found(self) -> str:
        """The numbers behind :attr:`value`, and of how many runs they are."""
        raise NotImplementedError

    @property
    def reached(self) -> bool | None:
        return self.goal.reached(self.value)

    @property
    def missed_by(self) -> float:
        return self.goal.missed_by(self.value)

    def line(self) -> str:
        """The row as it is printed."""
        said = ", ".join(filter(None, (self.found, self.note)))
        busy = f"  [BUSY: others on {self.others:.1f} cores]" if (self.others or 0) > QUIET else ""
        return f"{self.value:8.3f}  {self.goal.text(self.value):16}  {self.name}: {said}{busy}"

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        plain = asdict(self)  # type: ignore[call-overload]
        return {**plain, "value": self.value, "reached": self.reached}


@dataclass(frozen=True)
class Row(Measured):
    """``ratio`` of ``ours`` to ``theirs`` in the unit named; ``must`` is what it has to reach.

    ``more``: True where a larger ratio is better. ``runs``: of how many runs of each side the
    numbers are medians; None where they are no timings, but counts and scores.
    """

    name: str
    ours: float
    theirs: float
    unit: str
    must: float | None = None
    more: bool = True
    note: str = ""
    runs: int | None = None
    others: float | None = field(default=None, kw_only=True)

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs else math.nan

    @property
    def value(self) -> float:
        return self.ratio

    @property
    def goal(self) -> Goal:
        return Goal(self.must) if self.more else Goal(high=self.must)

    @property
    def found(self) -> str:
        runs = "" if self.runs is None else ", once" if self.runs == 1 else f", of {self.runs} runs"
        return f"{self.ours:.4g} / {self.theirs:.4g} {self.unit}".rstrip() + runs

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "ratio": self.ratio}


@dataclass(frozen=True)
class Rate(Measured):
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
    others: float | None = field(default=None, kw_only=True)

    @property
    def value(self) -> float:
        return self.rate

    @property
    def goal(self) -> Goal:
        return Goal(self.low, self.high)

    @property
    def error(self) -> float:
        """Standard error of the share."""
        return math.sqrt(self.rate * (1 - self.rate) / self.runs) if self.runs else math.nan

    @property
    def found(self) -> str:
        return f"of {self.runs}, +- {self.error:.3f}"

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "error": self.error}


def in_turn(
    runs: int, *sides: Callable[[], T], before: Callable[[], object] = lambda: None
) -> tuple[list[T], ...]:
    """What each side returned in every run: A B, B A, A B, ..., so that a busy machine slows both.

    ``before`` runs ahead of each.
    """
    found: tuple[list[T], ...] = tuple([] for _ in sides)
    numbered = list(enumerate(sides))
    for i in range(runs):
        for which, run in numbered if i % 2 else reversed(numbered):
            before()
            found[which].append(run())
    return found


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], runs: int = 3,
    before: Callable[[], object] = lambda: None,
) -> tuple[float, float]:  # fmt: skip
    """Median seconds of both, run :func:`in_turn`; ``before`` is not timed."""
    times = in_turn(runs, lambda: seconds_of(ours), lambda: seconds_of(theirs), before=before)
    return statistics.median(times[0]), statistics.median(times[1])


def seconds_of(run: Callable[[], object]) -> float:
    """Of one call."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def median_of(values: Iterable[float]) -> float:
    """Of the runs of one side."""
    return statistics.median(values)
