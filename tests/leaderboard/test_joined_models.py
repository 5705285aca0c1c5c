"""Backbones side by side as an axis of a leaderboard, like a single one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from featprobe.cli.main import main
from featprobe.core.errors import FeatprobeError, InputError, UnknownName
from featprobe.leaderboard.forecast import forecast
from featprobe.leaderboard.grid import read
from featprobe.leaderboard.running import run
from featprobe.leaderboard.schedule import Schedule, part
from featprobe.store.cache import entries

SMALL, RANDOM = "tiny_vit14@14", "tiny_vit14@14-random0"
TEXT = """
data: {data: films, name: films}
models:
  - {model: tiny_vit14, image_size: 14}
  - join:
      - {model: tiny_vit14, image_size: 14, features: cls}
      - {model: tiny_vit14, image_size: 14, init: random, features: mean, unit: true}
extract: {blocks: 2, workers: 0}
probes: [{probe: logistic, Cs: [0.1], refit: false}, {probe: knn, k: [5]}]
views: [cls, mean]
resamples: 20
"""
JOINED = f"{SMALL}:cls + unit({RANDOM}:mean)"


@pytest.fixture(autouse=True)
def films(class_folders: Path) -> None:
    """A folder of images beside the file."""


def grid_of(tmp_path: Path, text: str):
    (tmp_path / "cells.yaml").write_text(text)
    return read(tmp_path / "cells.yaml")


def models(tmp_path: Path, text: str) -> list:
    return list(grid_of(tmp_path, f"data: digits\nmodels: {text}\nprobes: knn\n").models)


def test_views_of_the_file_are_not_those_of_joined_ones(tmp_path) -> None:
    cells = grid_of(tmp_path, TEXT).cells
    names = [c.name.removeprefix("films / ") for c in cells]
    assert names == [
        f"{SMALL} / linear", f"{SMALL} / linear mean", f"{SMALL} / knn", f"{SMALL} / knn mean",
        f"{JOINED} / linear", f"{JOINED} / knn",
    ]  # fmt: skip


def test_they_run_once_are_found_again_and_are_those_of_the_verb(
    tmp_path, cache, monkeypatch, capsys
) -> None:
    grid = grid_of(tmp_path, TEXT)
    before = forecast(grid, cache)
    assert [(f.model, f.state) for f in before.features] == [
        (SMALL, "to extract"), (RANDOM, "to extract"),
    ]  # fmt: skip
    said: list[str] = []
    outcome = run(grid, cache, report=said.append)
    assert outcome.failures == []
    assert (outcome.ran, len(list(entries(cache)))) == (6, 2)
    found = {r.probe: r for r in outcome.results if r.backbone == f"{SMALL} + {RANDOM}"}
    assert {r.view for r in found.values()} == {JOINED}
    assert set(found["knn"].provenance["key"]["parts"]) == {SMALL, RANDOM}
    assert any(line.endswith(f"films / {JOINED} / knn") for line in said)
    again = run(grid, cache)
    assert (again.ran, again.there) == (0, 6)
    assert forecast(grid, cache).to_dict()["total"]["cached"] == 6
    with pytest.raises(SystemExit):
        main(["linear", "--model", JOINED, "--C", "0.1", "--no-refit", "--resamples", "20",
              "--json"])  # fmt: skip
    (line,) = capsys.readouterr().out.splitlines()
    by_verb = json.loads(line)
    assert by_verb["metrics"] == found["logistic"].metrics
    assert by_verb["request"] == found["logistic"].request
    lone = forecast(grid_of(tmp_path, TEXT.replace("0.1", "0.2")), cache).to_dict()["total"]
    assert (lone["cached"], lone["to_run"]) == (3, 3)


def test_the_short_form_gives_all_parts_what_is_said(tmp_path) -> None:
    short, *rest = models(
        tmp_path, '{model: "tiny_vit14:cls + resnet18:mean", init: random, image_size: [28, 56]}'
    )
    assert [m.name for m in short.sources] == ["tiny_vit14@28-random0", "resnet18@28-random0"]
    assert short.name == "tiny_vit14@28-random0:cls + resnet18@28-random0:mean"
    assert [m.name for m in rest[0].sources] == ["tiny_vit14@56-random0", "resnet18@56-random0"]
    assert "tiny_vit14:cls + resnet18:mean" in short.names
    (plain,) = models(tmp_path, '"tiny_vit14 + resnet18"')
    assert [p.view for p in plain.parts] == ["", ""]
    (one,) = models(tmp_path, '"torchvision:alexnet"')
    assert one.parts == ()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('"tiny_vit14:cls + resnet18:cls"', "resnet18 has no 'cls'; it has mean"),
        ('"tiny_vit14:cls + tiny_vit14:cls"', "is there twice"),
        ('"tiny_vit14:cls + tiny_vit41"', "tiny_vit41.*Did you mean 'tiny_vit14'"),
        ('"tiny_vit14:cls:99 + resnet18"', "tiny_vit14 has no 'cls:99'"),
        ('{model: "tiny_vit14 + resnet18", weights: a.pth}', "'weights' is of one backbone"),
        ('{model: "tiny_vit14 + resnet18", imagesize: 28}', "imagesize"),
        ('{join: [tiny_vit14, "resnet18:mean + resnet50"]}', "write the view of a part as"),
        ('{join: [tiny_vit14, {model: resnet18, features: mean, k: 3}]}', "join, entry 2"),
        ('{join: [tiny_vit14, {model: resnet18, image_size: [28, 56]}]}', "is one number"),
        ('{join: [], init: random}', "join: backbones"),
    ],
)  # fmt: skip
def test_mistakes_are_said_in_one_line_with_their_place(tmp_path, entry, said) -> None:
    with pytest.raises(FeatprobeError, match=said) as caught:
        models(tmp_path, entry)
    assert "cells.yaml: models" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_blocks_that_are_not_stored_are_named_before_anything_runs(tmp_path) -> None:
    text = TEXT.replace("features: cls}", "features: 'cls:4'}")
    with pytest.raises(InputError, match="'cls:4' is of 4 blocks and 2 are stored"):
        grid_of(tmp_path, text)


def test_trainings_are_of_one_backbone(tmp_path) -> None:
    tuned = TEXT + "finetune: [frozen]\n"
    cells = grid_of(tmp_path, tuned).cells
    assert [c.model.name for c in cells if not c.probes] == [SMALL]
    own = TEXT + "finetune: [{recipe: full, model: 'tiny_vit14 + resnet18'}]\n"
    with pytest.raises(InputError, match="several backbones side by side, and a training is of"):
        grid_of(tmp_path, own)


def test_they_are_chosen_and_left_out_by_any_of_their_names(tmp_path) -> None:
    grid = grid_of(tmp_path, TEXT)
    for name in (JOINED, f"{SMALL} + {RANDOM}", "tiny_vit14:cls + unit(tiny_vit14:mean)"):
        assert {c.model.name for c in grid.only((), [name]).cells} == {JOINED}
    less = grid_of(tmp_path, TEXT + f"exclude: [{{model: '{JOINED}', probe: knn}}]\n")
    assert len(less.cells) == 5
    with pytest.raises(UnknownName, match="no cell has model 'tiny_vit14:cls \\+ other"):
        grid.only((), ["tiny_vit14:cls + other:mean"])


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_their_cells_wait_for_every_part(tmp_path, order) -> None:
    cells = grid_of(tmp_path, TEXT).cells[order]
    schedule = Schedule(cells)
    tasks = [schedule.next(), schedule.next()]
    assert schedule.next() is None
    assert {t.model.name for t in tasks} == {SMALL, RANDOM}
    ready = []
    for at, task in enumerate(tasks):
        schedule.extracted(task, f"store of {task.model.name}")
        while (one := schedule.next()) is not None:
            ready.append((at, one))
    assert sorted(i for _, t in ready for i in t.cells) == list(range(6))
    for at, one in ready:
        model = cells[one.cells[0]].model
        assert one.stores == tuple(f"store of {m.name}" for m in model.sources)
        assert at == 1 or not model.parts


def test_a_part_that_fails_fails_them_once_and_nothing_else(tmp_path, cache) -> None:
    text = TEXT.replace("{model: tiny_vit14, image_size: 14, init: random,",
                        "{model: tiny_vit14, image_size: 14, weights: none.pth,")  # fmt: skip
    (tmp_path / "none.pth").write_bytes(b"no weights")
    said: list[str] = []
    outcome = run(grid_of(tmp_path, text), cache, report=said.append)
    assert (outcome.ran, len(outcome.failures)) == (4, 1)
    assert "(2 cells)" in outcome.failures[0]
    numbers = [m[1] for line in said if (m := re.match(r"\[(\d+)(?: to \d+)?/6\]", line))]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_parts_of_a_table_extract_nothing_twice(tmp_path, n: int) -> None:
    text = TEXT.replace("  - join:", "  - {model: resnet18, init: random}\n  - join:")
    cells = grid_of(tmp_path, text).cells
    pieces = [part(cells, i, n) for i in range(1, n + 1)]
    assert sorted(c.name for p in pieces for c in p) == sorted(c.name for c in cells)
    extracted = [{m.name for c in p for m in c.model.sources} for p in pieces]
    assert all(not one & other for i, one in enumerate(extracted) for other in extracted[i + 1 :])
