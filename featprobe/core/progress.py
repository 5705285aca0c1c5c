"""Progress on standard error: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any, ClassVar, Literal

from featprobe.core.stopwatch import Stopwatch
from featprobe.core.tracking import track, tracked

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts work; shows rate and time left. ``with Progress("extract", 100, "frames") as p``.

    Nothing is shown where ``show`` is False or the work is done before the first line is due. With
    ``"json"`` each line is an object with ``what``, ``done``, ``total``, ``rate`` and ``left`` (s).
    ``more``: what else is to be said, in a few words; what took the time so far is said where a
    :class:`~featprobe.core.stopwatch.Stopwatch` is running. Inside of another one it is a further
    bar of the same display.
    """

    _display: ClassVar[Any] = None  # of the outermost one: two displays would overwrite each other

    def __init__(
        self, what: str, total: int, unit: str = "", show: bool | Literal["json"] = True
    ) -> None:
        self.what, self.total, self.unit, self.show = what, total, unit, show
        self.done = 0
        self.more = ""
        self._bar: Any = None
        self._task: Any = None
        self._outermost = False

    def __enter__(self) -> Progress:
        self._start = self._last = self._sent = time.monotonic()
        if self.show is True and sys.stderr.isatty():
            self._bar = Progress._display or _made_display()
            self._task = self._bar.add_task(self.what, total=self.total, rate="")
            if Progress._display is None:
                self._outermost, Progress._display = True, self._bar
                self._bar.start()
        return self

    def update(self, done: int) -> None:
        """Tell that ``done`` of the total are finished."""
        self.done = done
        if not (self.show or tracked()):
            return
        now, watch = time.monotonic(), Stopwatch.active
        rate = done / max(now - self._start, 1e-9)
        if tracked() and now - self._sent >= SECONDS_BETWEEN_LINES:
            self._sent = now
            track({f"{self.what}/done": done, f"{self.what}/rate": rate})
        more = ", ".join(filter(None, [self.more, watch.brief() if watch else ""]))
        if self._bar is not None:
            shown = ", ".join(filter(None, (_rate(rate, self.unit), more)))
            self._bar.update(self._task, completed=done, rate=shown)
        elif self.show and now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            left = (self.total - done) / max(rate, 1e-9)
            if self.show == "json":
                event = {"what": self.what, "done": done, "total": self.total, "unit": self.unit}
                event |= {"rate": round(rate, 3), "left": round(left, 1)}
                event |= {"more": more} if more else {}
                print(json.dumps({"event": "progress", **event}), file=sys.stderr, flush=True)
                return
            said = [f"{self.what}: {done}/{self.total} {self.unit}"]
            said += [_rate(rate, self.unit), f"{left:.0f} s left"] if done else []
            print(", ".join([*said, *filter(None, [more])]), file=sys.stderr, flush=True)

    def advance(self, n: int = 1) -> None:
        """Tell that ``n`` more are finished."""
        self.update(self.done + n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is None:
            return
        if self._outermost:
            self._bar.stop()
            Progress._display = None
        else:
            self._bar.remove_task(self._task)


def _rate(rate: float, unit: str) -> str:
    """By the minute where it is slow."""
    return f"{rate:.1f} {unit}/s" if rate >= 0.1 or not rate else f"{60 * rate:.1f} {unit}/min"


def _made_display() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        console=Console(file=sys.__stderr__), transient=True,  # past the edge
    )  # fmt: skip
