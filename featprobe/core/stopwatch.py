"""What takes the time of a run: seconds by kind of work, of the thread that leads.

with Stopwatch() as watch:
    with spent("validation"):
        ...
watch.summary()        # validation 12.1 s (80 %), other 3.0 s (20 %)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, TypeVar

OTHER = "other"
T = TypeVar("T")


class Stopwatch:
    """Seconds by kind. Inner work is not counted in outer work again."""

    active: ClassVar[Stopwatch | None] = None

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []  # seconds of work inside of each work that is being done
        self._thread = threading.get_ident()

    def __enter__(self) -> Stopwatch:
        self._before, Stopwatch.active = Stopwatch.active, self
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        Stopwatch.active = self._before

    def summary(self) -> str:
        """``network 8.1 s (67 %), decoding 3.0 s (25 %), other 1.0 s (8 %)``."""
        whole = time.perf_counter() - self._start
        rest = whole - sum(self.seconds.values())
        return shares({**self.seconds, OTHER: max(0.0, rest)})

    def brief(self) -> str:
        """``network 67 %, decoding 25 %``: the two that took most, so far."""
        return most_of(self.seconds, time.perf_counter() - self._start)

    def add(self, kind: str, seconds: float) -> None:
        """Seconds that were measured by the work itself, in the thread that made the watch."""
        if threading.get_ident() != self._thread:
            return
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds
        if self._inner:
            self._inner[-1] += seconds

    @contextmanager
    def spent(self, kind: str) -> Iterator[None]:
        """Count what is done meanwhile, in the thread that made the watch."""
        if threading.get_ident() != self._thread:
            yield
            return
        start = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            took = time.perf_counter() - start
            inner = self._inner.pop()
            self.add(kind, took - inner)
            if self._inner:
                self._inner[-1] += inner


@contextmanager
def spent(kind: str) -> Iterator[None]:
    """Count what is done meanwhile, where a watch is running."""
    watch = Stopwatch.active
    if watch is None:
        yield
        return
    with watch.spent(kind):
        yield


def timed(values: Iterable[T], kind: str) -> Iterator[T]:
    """The values, with what is waited for each counted."""
    each = iter(values)
    while True:
        with spent(kind):
            try:
                value = next(each)
            except StopIteration:
                return
        yield value


def counted(kind: str, seconds: float) -> None:
    """Count seconds that the work has measured itself, where a watch is running."""
    if Stopwatch.active is not None:
        Stopwatch.active.add(kind, seconds)


def most_of(seconds: Mapping[str, float], whole: float) -> str:
    """The two kinds that took most, in % of the whole: ``network 67 %, decoding 25 %``."""
    most = sorted(seconds.items(), key=lambda part: -part[1])[:2]
    return ", ".join(f"{n} {100 * s / max(whole, 1e-9):.0f} %" for n, s in most)


def shares(seconds: Mapping[str, float]) -> str:
    """``extraction 12.1 s (80 %), probes 3.0 s (20 %)``: what took the time, the longest first."""
    total = sum(seconds.values())
    parts = sorted(seconds.items(), key=lambda part: -part[1])
    return ", ".join(f"{n} {s:.1f} s ({100 * s / max(total, 1e-9):.0f} %)" for n, s in parts)
