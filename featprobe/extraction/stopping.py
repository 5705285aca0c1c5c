"""Ctrl-C and SIGTERM during long work: finish what is in flight, then stop."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Catches the first signal and remembers it; a second one ends the program at once.

    ``with Stopping() as stop: ... if stop.requested: ...``. Outside the main thread, where Python
    delivers no signals, nothing is caught. ``flying``: what is finished first, in words.
    """

    def __init__(self, flying: str = "the shard") -> None:
        self.flying = flying
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._catch)
        return self

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()
        print(f"stopping after {self.flying} in flight; again to stop at once", file=sys.stderr)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()
