"""Progress where nobody looks at a terminal."""

from __future__ import annotations

import json
import sys

import pytest

from featprobe.core import progress
from featprobe.core.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves on demand."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_lines_tell_rate_and_time_left(clock, capsys) -> None:
    with Progress("extract", 100, "frames") as p:
        clock.now += 5
        p.advance(10)
        assert capsys.readouterr().err == ""  # not yet due
        clock.now += 15
        p.advance(30)
    assert capsys.readouterr().err == "extract: 40/100 frames, 2.0 frames/s, 30 s left\n"


def test_json_events_are_one_object_a_line(clock, capsys) -> None:
    with Progress("extract", 100, "frames", "json") as p:
        clock.now += 20
        p.advance(40)
    assert json.loads(capsys.readouterr().err) == {
        "event": "progress", "what": "extract", "done": 40, "total": 100, "unit": "frames",
        "rate": 2.0, "left": 30.0,
    }  # fmt: skip


def test_nothing_is_shown_when_not_asked_for(clock, capsys) -> None:
    with Progress("extract", 100, "frames", False) as p:
        clock.now += 1000
        p.advance(50)
    assert capsys.readouterr().err == ""


def test_a_bar_inside_of_another_shares_its_display(monkeypatch) -> None:
    made = []

    class Display:
        def __init__(self) -> None:
            self.tasks, self.running = [], 0
            made.append(self)

        def start(self) -> None:
            self.running += 1

        def stop(self) -> None:
            self.running -= 1

        def add_task(self, what: str, **_options: object) -> int:
            self.tasks.append(what)
            return len(self.tasks) - 1

        def update(self, task: int, **options: object) -> None:
            self.tasks[task] = options["rate"]

        def remove_task(self, task: int) -> None:
            self.tasks[task] = None

    monkeypatch.setattr("featprobe.core.progress._made_display", Display)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("cells", 2, "cells") as outer:
        outer.more = "1 failed"
        with Progress("frames", 10, "frames") as inner:
            inner.update(5)
            outer.update(1)
            (display,) = made
            assert display.running == 1
            assert "frames/s" in display.tasks[1]
            assert display.tasks[0].endswith("1 failed")
        assert display.tasks[1] is None
        assert display.running == 1
    assert display.running == 0
    with Progress("again", 1):
        assert len(made) == 2
