"""Progress on standard error: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any, Literal

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts work; shows rate and time left. ``with Progress("extract", 100, "frames") as p``.

    Nothing is shown where ``show`` is False or the work is done before the first line is due. With
    ``"json"`` each line is an object with ``what``, ``done``, ``total``, ``rate`` and ``left`` (s).
    """

    def __init__(
        self, what: str, total: int, unit: str = "", show: bool | Literal["json"] = True
    ) -> None:
        self.what, self.total, self.unit, self.show = what, total, unit, show
        self.done = 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._start = self._last = time.monotonic()
        if self.show is True and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
                console=Console(file=sys.__stderr__), transient=True,  # past the edge
            )  # fmt: skip
            self._task = self._bar.add_task(self.what, total=self.total, rate="")
            self._bar.start()
        return self

    def update(self, done: int) -> None:
        """Tell that ``done`` of the total are finished."""
        self.done = done
        if not self.show:
            return
        now = time.monotonic()
        rate = done / max(now - self._start, 1e-9)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=f"{rate:.1f} {self.unit}/s")
        elif now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            left = (self.total - done) / max(rate, 1e-9)
            if self.show == "json":
                event = {"what": self.what, "done": done, "total": self.total, "unit": self.unit}
                event |= {"rate": round(rate, 3), "left": round(left, 1)}
                print(json.dumps({"event": "progress", **event}), file=sys.stderr, flush=True)
                return
            print(
                f"{self.what}: {done}/{self.total} {self.unit}, {rate:.1f} {self.unit}/s, "
                f"{left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def advance(self, n: int = 1) -> None:
        """Tell that ``n`` more are finished."""
        self.update(self.done + n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
