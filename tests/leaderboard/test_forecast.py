"""What a dry run says, against what a run then does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import featprobe as fp
from featprobe.backbones.load import resolve
from featprobe.cli.main import main
from featprobe.core.errors import Unfinished
from featprobe.leaderboard.forecast import ABSENT, CACHED, PARTIAL, forecast
from featprobe.leaderboard.forecast_text import duration, size
from featprobe.leaderboard.grid import Grid, read
from featprobe.leaderboard.includes import named_file, ready
from featprobe.leaderboard.running import run
from featprobe.store.cache import entries

TEXT = """
data: {name}
models: [{{model: tiny_vit14, image_size: 14}}, {{model: tiny_vit14, image_size: 28}}]
extract: {{blocks: 3, workers: 0}}
probes: [prototype, {{probe: logistic, Cs: 1}}]
protocols: [full, {{protocol: fewshot, shots: [1, 2], tries: 2}}]
seeds: [0, 1]
resamples: 20
"""


@pytest.fixture
def grid(class_folders: Path, tmp_path: Path) -> Grid:
    (tmp_path / "cells.yaml").write_text(TEXT.format(name=class_folders.name))
    return read(tmp_path / "cells.yaml")


def test_it_writes_nothing_and_then_says_what_was_done(grid: Grid, cache: Path) -> None:
    before = forecast(grid)
    assert [(f.state, f.frames, f.new) for f in before.features] == [(ABSENT, 40, 40)] * 2
    assert not list(entries(cache))
    total = before.to_dict()["total"]
    assert (total["cells"], total["cached"], total["to_run"]) == (16, 0, 16)
    assert total["seconds"] == 0
    assert total["seconds_unknown"] == 2 + len(before.cells)  # nothing was measured yet

    small = grid.only([], ["tiny_vit14@14"])
    assert run(small).failures == []
    after = forecast(grid)
    assert [f.state for f in after.features] == [CACHED, ABSENT]
    assert [(c.total, c.cached, c.to_run) for c in after.cells] == [(4, 2, 2)] * 4
    assert all(c.seconds is not None for c in after.cells)  # as the other backbone's took
    assert after.features[1].seconds is None  # no rate of this backbone was measured

    store = next(e.store for e in entries(cache) if e.store is not None)
    arrays = {n: store.read(n) for n in store.layout.arrays}
    assert before.features[0].bytes == sum(a.size * 2 for a in arrays.values())
    assert run(grid).there == 8
    assert forecast(grid).to_dict()["total"]["to_run"] == 0


def test_what_is_partly_there_counts_what_is_missing(grid: Grid) -> None:
    small = grid.only([], ["tiny_vit14@14"])
    extract = {**grid.extract, "batch_size": 4, "part": (1, 2)}
    backbone = fp.load_backbone("tiny_vit14", image_size=14)
    data = small.cells[0].data.open(None)
    with pytest.raises(Unfinished):
        fp.extract(backbone, data, **extract)
    found = forecast(small).features[0]
    assert found.state == PARTIAL
    assert 0 < found.new < found.frames == 40


def test_labels_that_changed_make_other_cells(grid: Grid, class_folders: Path) -> None:
    run(grid.only([], ["tiny_vit14@14"]))
    (class_folders / "normal").rename(class_folders / "healthy")
    assert forecast(grid).to_dict()["total"]["cached"] == 0


def test_data_and_weights_that_are_not_here_are_named(tmp_path: Path, capsys) -> None:
    (tmp_path / "cells.yaml").write_text(
        "data: [nih_chestxray14, digits]\nmodels: [dinov2_vits14, lvm_med_resnet50]\nprobes: knn\n"
    )
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", str(tmp_path / "cells.yaml"), "--dry-run", "--json"])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert "FEATPROBE_DATA" in found["missing"]["data nih_chestxray14"]
    assert "weights: FILE" in found["missing"]["weights lvm_med_resnet50"]
    assert "downloaded from" in found["missing"]["weights dinov2_vits14"]
    assert found["total"]["missing"] == 3  # the X-rays with both, digits with one
    assert found["total"]["to_run"] == 1


def test_the_tables_have_every_row(grid: Grid, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["leaderboard", str(grid.file), "--dry-run"])
    out = capsys.readouterr().out
    for said in ("tiny_vit14@14", "to extract", "prototype", "fewshot 1,2 x 2", "16 to run"):
        assert said in out
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", "--dry-run"])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "unknown"), (5, "5.0 s"), (90, "1.5 min"), (7200, "2.0 h")]
)
def test_times_are_readable(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("n", "said"), [(None, "unknown"), (12, "12 B"), (1.5e6, "1.5 MB"), (2e9, "2.0 GB")]
)
def test_sizes_are_readable(n: float | None, said: str) -> None:
    assert size(n) == said


@pytest.mark.parametrize(
    "name",
    ["freeze", "wacv", *(pytest.param(n, marks=pytest.mark.slow) for n in ("medplus", "rad"))],
)
def test_the_ready_files_are_read_and_say_what_is_missing(name: str, capsys) -> None:
    assert name in ready()
    grid = read(named_file(name))
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", name, "--dry-run", "--json"])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"]["cells"] == len(grid.cells)
    named = {what.partition(" ")[2] for what in found["missing"]}
    assert {d.name for d in grid.data} <= named  # nothing of it is on a machine of tests
    assert {m.text for m in grid.models} <= named
    vectors = {v for c in grid.cells for v in c.called["view"]}
    for cell in grid.cells:  # no network is asked for a token that it has not
        spec = resolve(cell.model.text).spec
        views = cell.called["view"]
        outputs = {part.partition(":")[0] for v in views for part in v.split("+")}
        assert outputs <= set(spec.outputs), cell.name
    assert vectors
