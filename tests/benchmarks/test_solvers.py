"""The benchmark of solvers: which cells it has, and that one is measured, kept and gone on from."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from tests.benchmarks import solvers
from tests.benchmarks.solvers import NAMED, Cell, balanced, grid, measure, row


def test_the_cells_that_were_slow_are_in_the_grid_and_come_first() -> None:
    cells = grid()
    assert {(5_000, 384, 10, "weak", 15), (1_000, 384, 2, "weak", 45)} <= {
        (c.n, c.d, c.classes, c.apart, c.Cs) for c in cells
    }
    soon = list(islice(balanced(cells), 60))
    assert tuple(soon[: len(NAMED)]) == NAMED
    assert sorted(map(str, balanced(cells[:40]))) == sorted(map(str, cells[:40]))
    for name, wanted in (("n", 4), ("d", 4), ("classes", 6), ("apart", 4), ("kind", 3)):
        assert len({getattr(c, name) for c in soon}) >= wanted, name


@pytest.mark.parametrize("cell", NAMED, ids=str)
def test_they_are_solved_as_well_as_by_the_best_in_few_rounds(cell: Cell) -> None:
    small = replace(cell, n=cell.n // 8, d=cell.d // 8)
    found = measure(small, ["lbfgs", "newton-cholesky"])
    assert found["gap"] <= 1e-6
    assert 0 < found["rounds"] < solvers.ROUNDS
    assert {"ours", "lbfgs", "newton-cholesky"} <= set(found)
    said = row(str(small), found, cpu=True)
    assert "of CPU" in said.note
    slow = {**found, "ours": {"wall": 1e6, "cpu": 1e6}, "rounds": 100}
    assert "MISSED" in row(str(small), slow, cpu=False).line()
    *_, rounds, used = solvers.overall({"a": found, str(small): slow}, cpu=False)
    assert rounds.reached is False
    assert rounds.note == str(small)  # the cell that took most
    assert rounds.ours == 100
    *_, rounds, used = solvers.overall({"a": {**slow, "rounds": 99}}, cpu=False)
    assert rounds.reached is True
    assert used.value == pytest.approx(1 / solvers.cores())


def test_a_run_that_was_cut_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [replace(NAMED[2], n=100, d=8, Cs=3), Cell("fewshot", 300, 8, 2, "weak", True)]
    monkeypatch.setattr(solvers, "grid", lambda: cells)
    measured: list[Cell] = []

    def once(cell: Cell, rivals: list[str]) -> dict[str, object]:
        measured.append(cell)
        assert ("torch" in rivals) == (len(measured) == 1)  # slow rivals stand beside a few cells
        return measure(cell, ["lbfgs"])

    monkeypatch.setattr(solvers, "measure", once)
    first = solvers.rows(cache=str(tmp_path))
    assert str(cells[0]) in next(first).name
    first.close()  # as a cut would
    every = list(solvers.rows(cache=str(tmp_path)))
    assert measured == cells
    assert [str(c) in r.name for c, r in zip(cells, every)] == [True, True]
    assert every[2].name.startswith("worst 1")
    assert "median of 2 cells" in every[-3].name
