"""The benchmark of extraction: a whole part in small, beside a process that is busy."""

from __future__ import annotations

import os

import psutil
import pytest

from tests.benchmarks import extraction
from tests.benchmarks.extraction import Part, busy_process, films, rows


def test_a_busy_process_is_there_meanwhile_and_gone_after() -> None:
    ours = psutil.Process(os.getpid())
    before = set(ours.children())
    with busy_process():
        (child,) = set(ours.children()) - before
        assert child.status() in (psutil.STATUS_RUNNING, psutil.STATUS_SLEEPING)
        used = child.cpu_times().user
        while child.cpu_times().user == used:  # it computes
            pass
    assert not child.is_running()


@pytest.mark.parametrize("beside", [False, True])
def test_a_part_has_a_row_for_each_input(monkeypatch: pytest.MonkeyPatch, beside: bool) -> None:
    def small(folder, n):
        films(folder, n, 64)

    monkeypatch.setattr(extraction, "FRAMES", 4)
    monkeypatch.setattr(extraction, "BATCH", 2)
    monkeypatch.setattr(extraction, "MODEL", "tiny_vit14")
    monkeypatch.setitem(extraction.PARTS, "x", Part(28, {"small PNG": small}, 0.9, beside))
    (row,) = rows(1, ["x"])
    assert row.ours > 0
    assert row.theirs > 0
    assert (row.must, row.unit, row.runs) == (0.9, "frames/s", 1)
    assert ("beside a busy process" in row.line()) is beside
