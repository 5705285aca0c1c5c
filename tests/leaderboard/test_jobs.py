"""Cells side by side: the same results, processes that die, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from featprobe.cli.main import main
from featprobe.evaluation import results
from featprobe.leaderboard.grid import Grid, read
from featprobe.leaderboard.running import run
from featprobe.leaderboard.schedule import Schedule, part
from featprobe.probes.prototype import PrototypeProbe
from featprobe.store.cache import entries

TEXT = """
data: {name}
models: [{{model: tiny_vit14, image_size: 14}}, {{model: tiny_vit14, image_size: 28}}]
extract: {{blocks: 1, workers: 0, streams: 1}}
probes: [prototype, {{probe: logistic, Cs: 1}}]
finetune: [{{recipe: frozen, epochs: 1, model: {{model: tiny_vit14, image_size: 14}}}}]
seeds: [0, 1]
resamples: 20
"""


class Fails(PrototypeProbe):
    """A probe that raises what no one expects."""

    name = "fails"

    def fit_candidates(self, *args, **options):
        raise RuntimeError("no\nmemory")


class Dies(PrototypeProbe):
    """A probe that ends its process."""

    name = "dies"

    def fit_candidates(self, *args, **options):
        os._exit(7)


class Waits(PrototypeProbe):
    """A probe that says that it has begun, and does not end."""

    name = "waits"

    def fit_candidates(self, *args, **options):
        Path(os.environ["BEGUN"]).touch()
        while True:
            time.sleep(0.01)


@pytest.fixture
def grid(class_folders: Path, tmp_path: Path) -> Grid:
    (tmp_path / "cells.yaml").write_text(TEXT.format(name=class_folders.name))
    return read(tmp_path / "cells.yaml")


def with_probe(grid: Grid, probe: PrototypeProbe) -> Grid:
    """The grid with another probe in the place of logistic."""
    cells = [
        replace(c, work=replace(c.work, probe=probe)) if c.work.name == "linear" else c
        for c in grid.cells
    ]
    return replace(grid, cells=tuple(cells))


def test_the_cells_of_features_wait_for_them(grid: Grid) -> None:
    schedule = Schedule(grid.cells)
    tasks = []
    while (task := schedule.next()) is not None:
        tasks.append(task)
    assert [t.extracts for t in tasks] == [True, False, False, True]  # two trainings, one model
    assert sorted(i for t in tasks for i in t.cells) == list(range(len(grid.cells)))
    schedule.extracted(tasks[0], "there")
    next_ones = [schedule.next() for _ in tasks[0].cells]
    assert [t.cells[0] for t in next_ones] == list(tasks[0].cells)
    assert {t.stores for t in next_ones} == {("there",)}
    assert schedule.next() is None


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_parts_have_every_cell_once_and_features_in_one_part(grid: Grid, n: int) -> None:
    parts = [part(grid.cells, i, n) for i in range(1, n + 1)]
    assert sorted(c.name for p in parts for c in p) == sorted(c.name for c in grid.cells)
    for model in grid.models:
        assert sum(any(c.probes and c.model == model for c in p) for p in parts) == 1


@pytest.mark.slow
def test_several_processes_make_what_one_makes(grid: Grid, cache: Path, tmp_path: Path) -> None:
    alone = run(grid, tmp_path / "other")
    said: list[str] = []
    together = run(grid, cache, report=said.append, jobs=3)
    assert (together.ran, together.there, together.failures) == (10, 0, [])
    for one, other in zip(together.results, alone.results, strict=True):
        # batches of as many streams as cores are free give features that differ in the last bits
        assert one.metrics == pytest.approx(other.metrics, rel=1e-3, abs=1e-4, nan_ok=True)
    assert [r.dataset + r.backbone + r.probe for r in together.results] == [
        r.dataset + r.backbone + r.probe for r in alone.results
    ]
    assert len(said) == 10
    assert {*together.seconds} == {"extraction", "probes", "fine-tuning"}
    stores = [e.store for e in entries(cache)]
    assert len(stores) == 2
    for store in stores:  # the one run that completed it made all of its frames
        assert store.attributes["summary"]["new_frames"] == store.layout.frames
    again = run(grid, cache, jobs=2)
    assert (again.ran, again.there) == (0, 10)
    assert [r.id for r in again.results] == [r.id for r in together.results]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("probe", "why"), [(Fails(), "RuntimeError: no memory"), (Dies(), "its process ended (exit")]
)
def test_a_cell_that_fails_stops_no_other(grid: Grid, cache: Path, probe, why: str) -> None:
    only = replace(grid, cells=tuple(c for c in grid.cells if c.probes))
    outcome = run(with_probe(only, probe), cache, jobs=2)
    assert outcome.ran == 4
    assert len(outcome.failures) == 4
    assert all(why in text and "linear" in text for text in outcome.failures)
    assert len(results.read(cache)) == 4


@pytest.mark.slow
def test_features_that_cannot_be_had_are_the_failure_of_their_cells(
    grid: Grid, class_folders: Path, cache: Path
) -> None:
    for file in class_folders.rglob("*.png"):
        file.write_bytes(b"no image")
    only = replace(grid, cells=tuple(c for c in grid.cells if c.probes))
    outcome = run(only, cache, jobs=2)
    assert outcome.ran == 0
    assert len(outcome.failures) == 2
    assert all("(4 cells): films: none of the 40 items" in text for text in outcome.failures)


LEAD = """
import sys
from pathlib import Path
from featprobe.core.errors import Unfinished
from featprobe.leaderboard.grid import read
from featprobe.leaderboard.running import run
from tests.leaderboard.test_jobs import Waits, with_probe
try:
    run(with_probe(read(Path(sys.argv[1])), Waits()), jobs=2, report=print)
except Unfinished as error:
    print("UNFINISHED", error.code, error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_done_and_leaves_no_process(
    grid: Grid, cache: Path, tmp_path: Path, number: int
) -> None:
    begun = tmp_path / "begun"
    lead = subprocess.Popen(
        [sys.executable, "-c", LEAD, str(grid.file)], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2], env={**os.environ, "BEGUN": str(begun)},
    )  # fmt: skip
    while not begun.exists():
        assert lead.poll() is None, lead.communicate()[0]
        time.sleep(0.05)
    lead.send_signal(number)
    out, _ = lead.communicate(timeout=120)
    assert f"UNFINISHED {128 + number} stopped; " in out
    kept = results.read(cache)
    assert kept
    assert "waits" not in {r.probe for r in kept}
    done = run(grid, cache)
    assert done.there == len(kept)


def test_a_part_runs_its_cells_and_writes_no_table(grid: Grid, cache: Path, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", str(grid.file), "--shard", "1/4", "--jobs", "1"])
    assert end.value.code == 0
    err = capsys.readouterr().err
    assert "part 1 of 4: 'featprobe leaderboard" in err
    assert re.search(r"time: .*extraction", err)  # the longest is first
    assert not (cache / "leaderboard" / "cells.md").exists()
    assert {r.backbone for r in results.read(cache) if r.probe != "finetune"} == {"tiny_vit14@14"}


@pytest.mark.parametrize("shard", ["0/3", "4/3", "x"])
def test_a_part_that_there_is_not_is_refused(grid: Grid, shard: str, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", str(grid.file), "--shard", shard])
    assert end.value.code == 2
    assert shard in capsys.readouterr().err
