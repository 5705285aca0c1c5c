"""Where time goes: every second counted once."""

from __future__ import annotations

import threading

import pytest

from featprobe.core import stopwatch as module
from featprobe.core.progress import Progress
from featprobe.core.stopwatch import Stopwatch, counted, shares, spent, timed


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time, which only a test moves on."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_inner_work_is_not_counted_twice(clock) -> None:
    with Stopwatch() as watch:
        with spent("network"):
            clock[0] += 3
            with spent("frames"):
                clock[0] += 1
            counted("checks", 0.5)
            clock[0] += 0.5
        clock[0] += 5
        assert watch.seconds == {"frames": 1, "checks": 0.5, "network": 3}
        assert watch.summary() == (
            "other 5.0 s (53 %), network 3.0 s (32 %), frames 1.0 s (11 %), checks 0.5 s (5 %)"
        )
        assert watch.brief() == "network 32 %, frames 11 %"


def test_without_a_watch_nothing_is_counted_and_another_is_restored(clock) -> None:
    with spent("a"):
        counted("b", 1)
    with Stopwatch() as outer:
        with Stopwatch() as inner, spent("a"):
            clock[0] += 1
        with spent("b"):
            clock[0] += 2
    assert (inner.seconds, outer.seconds) == ({"a": 1}, {"b": 2})
    assert Stopwatch.active is None


def test_other_threads_and_failures(clock) -> None:
    with Stopwatch() as watch:
        thread = threading.Thread(target=lambda: counted("other thread", 1))
        thread.start()
        thread.join()

        def fails() -> None:
            with spent("fails"):
                clock[0] += 1
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
    assert watch.seconds == {"fails": 1}


def test_what_is_waited_for_in_a_loop(clock) -> None:
    def slow():
        for i in range(3):
            clock[0] += 2
            yield i

    with Stopwatch() as watch:
        assert list(timed(slow(), "reading")) == [0, 1, 2]
    assert watch.seconds == {"reading": 6}


def test_shares_of_nothing() -> None:
    assert shares({}) == ""
    assert shares({"a": 0.0}) == "a 0.0 s (0 %)"


def test_progress_says_what_took_the_time(clock, monkeypatch, capsys) -> None:
    monkeypatch.setattr("featprobe.core.progress.SECONDS_BETWEEN_LINES", 0.0)
    with Stopwatch(), Progress("extract", 10, "frames") as bar:
        with spent("network"):
            clock[0] += 3
        clock[0] += 1
        bar.update(5)
    assert capsys.readouterr().err.rstrip().endswith("network 75 %")
