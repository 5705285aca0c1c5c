"""What a benchmark prints: both sides, ratio, goal, what is missed, what else was busy."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import __main__ as command
from tests.benchmarks import others, running
from tests.benchmarks.rows import Goal, Measured, Rate, Row, in_turn, side_by_side
from tests.benchmarks.running import run_all


@pytest.mark.parametrize(
    ("rate", "reached"), [(0.91, False), (0.92, True), (0.99, True), (0.992, False)]
)
def test_a_share_outside_its_range_is_a_miss_whatever_its_type(rate: float, reached: bool) -> None:
    for value in (rate, np.float64(rate)):
        row = Rate("coverage", value, 500, 0.92, 0.99)
        assert row.reached is reached
        assert ("MISSED" in row.line()) is not reached
        assert row.to_dict()["reached"] is reached
    assert Rate("coverage", rate, 500).reached is None


def test_a_ratio_is_measured_against_its_goal() -> None:
    assert Row("x", np.float64(3), 2, "s", must=1.6).reached is False
    assert Row("x", 3, 2, "s", must=1.6, more=False).reached is True
    assert "MISSED" in Row("x", np.float64(3), 2, "s", must=1.6).line()
    assert Row("x", 0, 0, "s", must=1).reached is False  # nothing was measured
    assert Row("x", 0, 0, "s", must=1).missed_by == math.inf


def test_a_line_has_both_sides_their_ratio_the_goal_and_the_runs() -> None:
    row = Row("read / np.load", 30, 40, "MB/s", 0.8, note="cold", runs=5)
    for one, wanted in (
        (row, "0.750 >= 0.8 MISSED read / np.load: 30 / 40 MB/s, of 5 runs, cold"),
        (Row("x", 30, 40, "s", 0.8, more=False, runs=1), "0.750 <= 0.8 x: 30 / 40 s, once"),
        (Row("score", 3, 4, "Dice"), "0.750 no goal score: 3 / 4 Dice"),
    ):
        assert " ".join(one.line().split()) == wanted
    busy = Row("x", 1, 1, "s", others=1.34)
    assert busy.line().endswith("[BUSY: others on 1.3 cores]")
    assert "BUSY" not in Row("x", 1, 1, "s", others=0.05).line()


@given(
    st.floats(0.01, 100), st.floats(0.01, 100), st.one_of(st.none(), st.floats(0, 100)),
    st.one_of(st.none(), st.floats(0, 100)),
)  # fmt: skip
def test_only_what_misses_its_goal_is_off(value, low, more, high) -> None:
    goal = Goal(low if more is None else None, high)
    reached = goal.reached(value)
    assert (goal.missed_by(value) > 1) is (reached is False)
    assert ("MISSED" in goal.text(value)) is (reached is False)
    assert (goal.text(value) == "no goal") is (reached is None)


def test_sides_are_run_in_turn_and_who_is_first_changes() -> None:
    ran: list[str] = []
    found = in_turn(
        3, lambda: ran.append("a") or len(ran), lambda: ran.append("b") or len(ran),
        before=lambda: ran.append("-"),
    )  # fmt: skip
    assert "".join(ran) == "-b-a-a-b-b-a"
    assert found == ([4, 6, 12], [2, 8, 10])
    calls: list[str] = []
    times = side_by_side(lambda: calls.append("a"), lambda: calls.append("b"), 3)
    assert "".join(calls) == "baabba"
    assert min(times) > 0


def rows_of(*rows: Measured):
    def bench() -> Iterator[Measured]:
        yield from rows

    return bench


def test_all_that_is_missed_is_said_at_the_end_the_worst_first(tmp_path: Path) -> None:
    def broken() -> Iterator[Measured]:
        yield Row("fine", 1, 1, "s", 1)
        raise RuntimeError("no disk\nmore")

    said: list[str] = []
    benches = {
        "a": rows_of(Row("near", 8, 10, "s", 0.9), Row("free", 8, 10, "s")),
        "b": broken,
        "c": rows_of(Row("far", 3, 1, "s", 1, more=False), Rate("cover", 0.8, 100, 0.9, 0.99)),
    }
    summary = run_all(benches, said.append, tmp_path / "new" / "rows.jsonl")
    assert [(b, r.name) for b, r in summary.missed] == [("c", "far"), ("a", "near"), ("c", "cover")]
    last = said[-1].splitlines()
    assert last[2] == "5 rows, 4 with a goal, 3 MISSED, the worst first:"
    assert last[3].split()[:5] == ["3.00", "times", "off", "c:", "3.000"]
    assert last[6] == "FAILED  b: RuntimeError: no disk"
    assert said[1] == "\n== a"
    assert sum("load" in line and "at the start" in line for line in said) == 4  # each, and all
    *kept, run = map(json.loads, (tmp_path / "new" / "rows.jsonl").read_text().splitlines())
    assert [(k["bench"], k["name"]) for k in kept] == [
        ("a", "near"), ("a", "free"), ("b", "fine"), ("c", "far"), ("c", "cover")
    ]  # fmt: skip
    assert [k["reached"] for k in kept] == [False, None, True, False, False]
    assert kept[0]["ratio"] == kept[0]["value"] == 0.8
    assert run["missed"] == 3
    assert run["failed"] == {"b": "RuntimeError: no disk"}
    assert run["cores"] >= 1


def test_what_was_measured_is_summed_up_when_it_is_stopped() -> None:
    def stopped() -> Iterator[Measured]:
        yield Row("far", 3, 1, "s", 1, more=False)
        raise KeyboardInterrupt

    said: list[str] = []
    summary = run_all({"a": stopped, "b": rows_of()}, said.append)
    assert summary.failed == {"a": "stopped"}
    assert "1 MISSED" in said[-1]
    assert "== b" not in "".join(said)


def test_rows_say_what_others_used_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([(0.0, 10.0), (0.0, 10.0), (2.0, 13.0), (4.0, 13.1), (4.0, 13.1), (4.0, 13.1)])
    monkeypatch.setattr(others.Others, "_now", staticmethod(lambda: next(clock)))
    said: list[str] = []
    first, second = (Row(n, 1, 1, "s") for n in "ab")
    found = run_all({"x": rows_of(first, second)}, said.append).rows
    assert [r.others for _, r in found] == pytest.approx([1.5, 0.05])
    assert "BUSY" in said[2]
    assert "BUSY" not in said[3]
    assert said[4].startswith("BUSY: others on 0.77 of ")


def test_a_quiet_and_an_unknown_machine_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others.Others, "at_all", lambda self: 0.02)
    assert others.Others().text().startswith("nothing else busy: others on 0.02 of ")
    monkeypatch.undo()
    monkeypatch.setattr(others, "machine_seconds", lambda: None)
    assert others.Others().since() is None
    assert others.Others().text().startswith("whether anything else was busy cannot be seen")


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="Linux says so in /proc")
def test_the_seconds_of_a_child_are_our_own_and_as_psutil_counts_them() -> None:
    work = "sum(i * i for i in range(3_000_000)); print('done', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        before = others.own_seconds()
        child.stdout.readline()
        alive = others.own_seconds()
        used = sum(psutil.Process(child.pid).cpu_times()[:2])
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.wait()
    assert alive - before >= 0.9 * used - 0.05
    assert others.own_seconds() >= alive  # that of ended ones stays
    times = psutil.cpu_times()
    expected = sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
    assert others.machine_seconds() == pytest.approx(expected, rel=0.01)


def test_the_command_lists_benchmarks_without_importing_them(capsys) -> None:
    command.main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    assert {"knn", "gpu", "solvers", "inference"} <= {line.split()[0] for line in lines}
    assert not {"rows", "running", "others", "supervisor"} & {line.split()[0] for line in lines}
    assert all(len(line) > 40 for line in lines)  # each with what it is


def test_the_command_hands_options_to_those_that_take_them(monkeypatch, tmp_path, capsys) -> None:
    given: list[tuple[int, dict[str, object]]] = []

    class Bench:
        @staticmethod
        def rows(runs: int, parts: list[str] = []) -> Iterator[Row]:  # noqa: B006
            given.append((runs, {"parts": parts}))
            yield Row("x", 1, 2, "s", 1, runs=runs)

    monkeypatch.setattr(command.importlib, "import_module", lambda name: Bench)
    out = tmp_path / "o.jsonl"
    command.main(["knn", "--runs", "2", "--part", "exact", "--cpu", "--json", str(out)])
    assert given == [(2, {"parts": ["exact"]})]
    assert json.loads(out.read_text().splitlines()[0])["runs"] == 2
    assert "1 rows, 1 with a goal, 1 MISSED" in capsys.readouterr().out
    given.clear()
    command.main([])
    assert "all of bootstrap, cells" in capsys.readouterr().err
    assert len(given) > 10


def test_a_benchmark_that_fails_is_a_failure_of_the_command(monkeypatch, capsys) -> None:
    monkeypatch.setattr(command, "rows_of", lambda *_: 1 / 0)
    with pytest.raises(SystemExit, match="1"):
        command.main(["knn"])
    assert "FAILED  knn: ZeroDivisionError: division by zero" in capsys.readouterr().out


def test_the_machine_is_named() -> None:
    assert {"machine", "cores", "python", "torch", "featprobe"} <= set(running.machine())
