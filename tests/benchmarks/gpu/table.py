"""A table that is made row by row, in its part of the time."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.benchmarks.gpu.machine import Cells, Machine, first_line

LATE = 30.0  # seconds that one row may go on after the time of its table


class TimeUp(BaseException):
    """The time of a table is over; no Exception, so that nothing on the way takes it for one."""


@dataclass
class Table:
    """``share`` is its part of the time; ``done``: nothing more will come."""

    title: str
    rows: Callable[[Machine], Iterator[Cells]]
    share: float
    note: str = ""
    found: list[Cells] = field(default_factory=list)
    cut: str = ""
    done: bool = False

    def make(
        self, machine: Machine, until: float, seen: Callable[[Cells], None] = lambda row: None
    ) -> None:
        """Fill it, and stop between two rows when its time is over, or amid one that takes long
        after that. ``seen`` is called with each row."""
        try:
            with alarm(until + LATE - time.monotonic()):
                for row in self.rows(machine):
                    self.found.append(row)
                    seen(row)
                    if time.monotonic() > until:
                        self.cut = "cut here: its share of the time was over"
                        break
        except TimeUp:
            self.cut = "cut here: a row took too long"
        except Exception as error:
            if machine.dry:
                raise
            traceback.print_exc()
            self.cut = f"stopped: {type(error).__name__}: {first_line(error)}"
        self.done = True

    def to_dict(self) -> dict[str, Any]:
        """What is kept of it."""
        kept = asdict(self)
        return {name: kept[name] for name in ("title", "cut", "done")} | {"rows": self.found}

    def take(self, kept: dict[str, Any]) -> None:
        """What an earlier process made of it, which died amid it where it is not done."""
        self.found, self.done = kept["rows"], True
        self.cut = kept["cut"] if kept["done"] else "stopped: the process died here"

    def markdown(self) -> str:
        """The table under its title, all columns of all rows."""
        columns = list(dict.fromkeys(name for row in self.found for name in row))
        lines = [f"### {self.title}", ""]
        lines += [self.note, ""] if self.note else []
        if columns:
            lines += [_line(columns), _line(["---"] * len(columns))]
            lines += [_line([_text(row.get(name)) for name in columns]) for row in self.found]
        lines += ["", self.cut] if self.cut else []
        return "\n".join(lines) + "\n"


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeUp` within it after so many seconds."""

    def ring(*_: Any) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, min(max(seconds, 0.01), 1e8))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
