"""A process of ``--jobs``: ``python -m featprobe.leaderboard.job SOCKET FILE``.

FILE is a descriptor shared with its siblings, of the cells. Answers on the socket until the
leading process closes it.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """The leading process has requested to stop, amid work that can be done again."""


class Signal:
    """SIGINT ends a task that is being done; between tasks, and while answering, it waits."""

    def __init__(self) -> None:
        self.working = self.requested = False
        signal.signal(signal.SIGINT, self.heard)
        signal.signal(signal.SIGTERM, self.heard)

    def heard(self, _number: int, _frame: FrameType | None) -> None:
        """Remember it, and leave the work."""
        self.requested = True
        self.leave()

    def leave(self) -> None:
        """Leave the work where it was asked for."""
        if self.working and self.requested:
            self.working = False
            raise Interrupted

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is done here is not cut in two; then the work is left."""
        self.working = False
        yield
        self.working = True
        self.leave()


def main() -> None:
    """Serve the leading process."""
    signals = Signal()
    connection = Connection(int(sys.argv[1]))
    try:
        from featprobe.leaderboard.cell_work import Session

        with mmap.mmap(int(sys.argv[2]), 0, access=mmap.ACCESS_READ) as file:
            grid, cells, cache, jobs = pickle.loads(file)
        session = Session(grid, cache, share=jobs)

        def begun(there: bool, name: str) -> None:
            with signals.whole():
                connection.send(("begun", there, name))

        session.begun = begun
        while not signals.requested:
            connection.send(_answer(session, cells, connection.recv(), signals))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    finally:
        os._exit(0)


def _answer(session: Any, cells: Any, task: Any, signals: Signal) -> tuple[Any, ...]:
    from featprobe.core.errors import Unfinished, reason
    from featprobe.leaderboard.ledger import trace_of

    try:
        signals.working = not signals.requested
        if signals.requested:
            return ("stopped",)
        made = session.perform(cells, task)
        signals.working = False
    except (Interrupted, Unfinished, KeyboardInterrupt):
        return ("stopped",)
    except Exception as error:  # whatever it was, the other cells can still be had
        signals.working = False
        return "failed", reason(error), trace_of(error)
    finally:
        signals.working = False
    return ("extracted", made) if isinstance(made, str) else ("done", *made)


if __name__ == "__main__":
    main()
