"""The code of the benchmarks on little data: rows say both sides, their goal and their runs."""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import (
    bootstrap,
    cells,
    extraction,
    fewshot,
    finetuning,
    knn,
    logistic,
    memory,
    reading,
    scale,
    sgd,
    startup,
    stores,
    utilisation,
)
from tests.benchmarks.rows import Row


def small(monkeypatch: pytest.MonkeyPatch, module: Any, **values: Any) -> None:
    for name, value in values.items():
        monkeypatch.setattr(module, name, value)


def looked_at(rows: Any, goals: int, once: bool = False) -> list[Row]:
    """All rows, of which so many have a goal; ratios are whatever they are on this machine."""
    found = list(rows)
    assert found
    for row in found:
        assert math.isfinite(row.ratio), row.line()
        assert f"{row.ours:.4g} / {row.theirs:.4g}" in row.line()
        json.dumps(row.to_dict(), default=float)
        assert row.runs is None or once or row.runs > 0
    assert sum(row.must is not None for row in found) == goals
    return found


def test_bootstrap(monkeypatch) -> None:
    small(monkeypatch, bootstrap, IMAGES=400, PATIENTS=80, MANY=1500)
    # a label that is as rare as the rarest would be empty in so few
    small(monkeypatch, bootstrap, PREVALENCE=(0.3, 0.4))
    found = looked_at(bootstrap.rows(1), 2)
    assert [row.runs for row in found] == [1] * 5


def test_cells(monkeypatch) -> None:
    small(monkeypatch, cells, SIZES=[(200, 8, 3), (300, 8, 3)])
    kept = {"knn": cells.CELLS["knn, 4 values of k"]}
    small(monkeypatch, cells, CELLS=kept)
    assert looked_at(cells.rows(1), 0)[0].ratio == 1


@pytest.mark.slow
@pytest.mark.parametrize("part", ["112"])
def test_extraction(monkeypatch, part: str) -> None:
    small(monkeypatch, extraction, FRAMES=2, BATCH=2)
    whole = extraction.PARTS[part]
    last = dict(list(whole.inputs.items())[-1:])
    small(monkeypatch, extraction, PARTS={part: replace(whole, side=56, inputs=last)})
    [row] = looked_at(extraction.rows(1, parts=[part]), 1)
    assert row.must >= 0.9
    assert row.runs == 1


def test_few_shot(monkeypatch) -> None:
    small(monkeypatch, fewshot, WIDTH=8, TRAIN=60, TEST=60, CLASSES=2)
    small(monkeypatch, fewshot, PROTOCOL=fewshot.FewShot((2,), tries=3))
    small(monkeypatch, fewshot, CASES=[c._replace(timed=3) for c in fewshot.CASES])
    assert [row.must for row in looked_at(fewshot.rows(1), 3)] == [40, 40, 6, None]


def test_fine_tuning(monkeypatch) -> None:
    case = finetuning.Case("dinov2_vits14", 28, 4, 2, 1)
    small(monkeypatch, finetuning, SIDE=64, workers=lambda: 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetuning, "featprobe", lambda *_: (2.0, 4.0, 1e9))
        patch.setattr(finetuning, "trainer", lambda *_: (1.0, 8.0, 1e9))
        files, loop, memory_row = looked_at(finetuning.compared(case, "full", None, 2), 2)
    assert (files.reached, loop.reached, memory_row.reached) == (True, False, None)
    assert files.runs == 2


def test_knn(monkeypatch) -> None:
    small(monkeypatch, knn, ROWS=2000, WIDTH=16, QUERIES=300)
    assert len(looked_at(knn.rows(1), 3)) == 7
    small(monkeypatch, knn, LARGE={"200k": 3000})
    small(monkeypatch, knn, KNNProbe=ivf_of(knn.KNNProbe))
    assert [row.must for row in looked_at(knn.rows(1, ["200k"]), 3)] == [
        1.05, None, 10, 0.99,
    ]  # fmt: skip


def ivf_of(probe: Any) -> Any:
    """What auto takes of a large bank."""

    def made(**options: Any) -> Any:
        return probe(**{"index": "ivf", **options})

    return made


def test_logistic(monkeypatch) -> None:
    few = [c._replace(items=150, width=6) for c in logistic.CASES]
    small(monkeypatch, logistic, CASES=[few[0]._replace(classes=3), few[1]._replace(classes=2)])
    found = looked_at(logistic.rows(2), 4)
    assert [row.must for row in found] == [logistic.COLD, logistic.WARM] * 2
    assert "2 runs around one loop" in found[0].note


def test_memory(monkeypatch) -> None:
    small(monkeypatch, memory, peak=lambda items: 100.0 + items / 300)
    [row] = looked_at(memory.rows(2), 1)
    assert row.ratio == pytest.approx(110 / 101)
    assert row.reached is False


@pytest.mark.parametrize("kind", reading.KINDS)
def test_reading(monkeypatch, tmp_path, kind: str) -> None:
    asked: list[str] = []

    def measured(folder: Path, cache: Path, what: str) -> dict[str, float]:
        asked.append(what)
        assert len([p for p in folder.rglob("*") if p.is_file()]) == 200
        return dict.fromkeys(("all", "listed", "digested", "opened", "cpu", "memory", "items"), 4.0)

    monkeypatch.setattr(reading, "measured", measured)
    first, _ = looked_at(reading.rows(2, [f"{kind}-2e2"]), 0)
    assert asked == ["fill", "extract", "extract"]
    assert (first.ratio, first.runs) == (4 / 3, 2)


def test_scale(monkeypatch) -> None:
    stages = ("plan", "index", "status", "verify", "split", "probe", "make", "extract", "finish")
    stages += ("read", "complete", "first part", "resume", "memory")

    def measured(code: str, frames: int, each: int) -> dict[str, float]:
        grown = dict.fromkeys(stages, frames / 100000.0)
        return grown | {f"{name} MiB": 1.0 for name in stages} | {"shards": frames / 100}

    monkeypatch.setattr(scale, "measured", measured)
    found = looked_at(scale.rows(2, ["complete", "plan", "stages", "requests"]), 14)
    assert [row.runs for row in found[:2]] == [2, 2]
    assert all(row.reached for row in found if " records against " in row.name)  # it is linear


def test_sgd(monkeypatch) -> None:
    small(monkeypatch, sgd, ROWS=300, STEPS=4, WHOLE=8, BATCH=16)
    row = sgd.sweep(8, 2, 1)
    assert (row.must, row.runs) == (10, 1)
    assert math.isfinite(row.ratio)


def test_startup(monkeypatch) -> None:
    small(monkeypatch, startup, TIMES=1, COMMANDS=(["--version"],))
    [row] = looked_at(startup.rows(1), 0)
    assert row.name == "featprobe --version / click"


@pytest.mark.parametrize("kind", stores.SUFFIXES)
def test_stores(monkeypatch, tmp_path, kind: str) -> None:
    small(monkeypatch, stores, FRAMES=1500, WIDTH=16)
    for name, measure, goals in (
        ("reads", stores.reads, 3), ("writes", stores.writes, 1),
        ("known", lambda *a: stores.recognition(*a[:2], 2000, a[2]), 2),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        looked_at(measure(tmp_path / name, kind, 1), goals)


@pytest.mark.slow
def test_utilisation(monkeypatch) -> None:
    small(monkeypatch, utilisation, MODELS={"resnet18": 0.6}, BATCH=1, BATCHES=1, SIDE=32)
    [row] = utilisation.rows(1)
    assert (row.runs, row.unit) == (1, "TFLOP/s")


def test_segmentation_costs(monkeypatch) -> None:
    costs = importlib.import_module("tests.benchmarks.segmentation.costs")
    small(monkeypatch, costs, RATES=(1e-3, 1e-2), _peak=float)
    real = costs.Drawn
    small(monkeypatch, costs, Drawn=lambda items, frames: real(3, 2))
    assert [row.must for row in looked_at(costs.costs(1), 3)] == [2, 0.1, 1.3]
