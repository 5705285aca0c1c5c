"""The cells of a leaderboard: run once, taken from the cache afterwards."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import featprobe as fp
from featprobe.cli.main import main
from featprobe.core import paths
from featprobe.core.errors import InputError, Unfinished
from featprobe.evaluation import results
from featprobe.leaderboard import cell_work
from featprobe.leaderboard.compare import compare
from featprobe.leaderboard.grid import read
from featprobe.leaderboard.ledger import Outcome
from featprobe.leaderboard.model_request import Model
from featprobe.leaderboard.running import run
from featprobe.store.cache import entries

PROBES = """
data: digits
models: [{model: tiny_vit14, image_size: 14}, {model: tiny_vit14, image_size: 14, init: random}]
extract: {blocks: 1, workers: 0, features: cls}
probes: [{probe: knn, k: [5, 20]}, {probe: logistic, refit: false, Cs: [0.01, 1]}, prototype]
resamples: 20
"""
ONE = PROBES.replace(", {model: tiny_vit14, image_size: 14, init: random}", "")
TUNED = """
data: digits
models: {model: tiny_vit14, image_size: 14}
finetune:
  - {recipe: last-n, blocks: 2, epochs: 3, lr: [1e-4, 1e-3]}
  - {recipe: full, model: {model: tiny_vit14, image_size: 14, init: random}, name: from scratch}
resamples: 20
"""


@pytest.fixture
def cells(tmp_path: Path):
    """Write a text as the file cells.yaml."""

    def write(text: str) -> Path:
        (tmp_path / "cells.yaml").write_text(text)
        return tmp_path / "cells.yaml"

    return write


@pytest.fixture
def trained(cache, monkeypatch) -> list[dict]:
    """Trainings that were asked for. Each keeps a Result with the truth, blurred, as scores."""
    asked: list[dict] = []

    def finetune(backbone, dataset, recipe, training, **options):
        if recipe.name == "bitfit":
            raise InputError("this network has no biases")
        asked.append({"backbone": backbone.name, "recipe": recipe, "training": training, **options})
        features = fp.extract(backbone, dataset, blocks=1, workers=0)
        protocol = fp.Full(subset=options["subset"])
        made = fp.evaluate(features, fp.PrototypeProbe(), protocol, resamples=20, save=True)[0]
        made.probe, made.searched = "finetune", ["lr"] if options["lrs"] else []
        made.params = {"recipe": recipe.name, **recipe.to_dict(), **training.to_dict(), "lr": 1e-3}
        made.provenance["key"]["weights"] = recipe.name
        made.cost = {"trainable": 3e5, "parameters": 2.4e6, "seconds": 90.0, "peak_memory": 1.2e9}
        if options["label"]:
            made.settings["label"] = options["label"]
        results.amend(cache, made)
        return [made]

    monkeypatch.setattr("featprobe.finetuning.run.finetune", finetune)
    return asked


def ids(outcome: Outcome) -> list[str]:
    return [r.id for r in outcome.results]


@pytest.mark.slow
def test_a_second_run_does_nothing_and_a_changed_cell_runs_alone(cells, cache) -> None:
    grid, said = read(cells(PROBES)), []
    first = run(grid, report=said.append)
    assert (first.ran, first.there, first.failures) == (6, 0, [])
    assert said[0] == "[1/6] digits / tiny_vit14@14 / knn"
    assert said[-1] == "[6/6] digits / tiny_vit14@14-random0 / prototype"
    kept = results.results_file(cache).read_text()

    said.clear()
    again = run(grid, report=said.append)
    assert (again.ran, again.there) == (0, 6)
    assert ids(again) == ids(first)
    assert all(line.endswith(": in the cache") for line in said)
    assert results.results_file(cache).read_text() == kept

    more = run(read(cells(PROBES.replace("[5, 20]", "[5, 10, 20]"))))
    assert (more.ran, more.there) == (2, 4)
    assert run(read(cells(ONE + "seed: 1"))).there == 0
    parts = run(read(cells(ONE + "subset: [0.2, 1]")))
    assert (parts.ran, parts.there) == (3, 3)


@pytest.mark.slow
def test_what_the_verbs_have_made_is_not_made_again(cells) -> None:
    grid = read(cells(ONE))
    backbone = fp.load_backbone("tiny_vit14", image_size=14)
    digits = fp.load_dataset("digits")
    features = fp.extract(backbone, digits, blocks=1, workers=0, features=["cls"])
    made = fp.evaluate(features, fp.PrototypeProbe(), resamples=20, save=True)[0]
    outcome = run(grid)
    assert (outcome.ran, outcome.there) == (2, 1)
    assert made.id in ids(outcome)


@pytest.mark.slow
def test_results_are_those_of_evaluate(cells) -> None:
    outcome = run(read(cells(ONE)))
    backbone = fp.load_backbone("tiny_vit14", image_size=14)
    features = fp.extract(backbone, fp.load_dataset("digits"), blocks=1, workers=0)
    expected = fp.evaluate(
        features, fp.LogisticProbe(Cs=[0.01, 1]), fp.Full(refit=False), resamples=20
    )[0]
    found = outcome.results[1]
    assert (found.backbone, found.probe) == (backbone.name, "logistic")
    assert found.metrics == pytest.approx(expected.metrics, nan_ok=True)
    assert found.sizes == expected.sizes


@pytest.mark.slow
def test_a_cell_that_fails_is_named_and_the_rest_goes_on(cells, trained, capsys) -> None:
    file = cells(
        ONE.replace("{probe: knn, k: [5, 20]}", "{probe: ridge, features: mean}")
        + "finetune: [bitfit]\n"
    )
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", str(file)])
    assert end.value.code == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    told = "2 cells ran, 0 were in the cache, 2 failed"
    assert told in lines
    failed = lines[lines.index(told) + 1 :]
    assert len(failed) == 2
    assert failed[0].startswith("failed: digits / tiny_vit14@14 / ridge mean: ")
    assert "'mean'" in failed[0]
    assert failed[1] == (
        "failed: digits / tiny_vit14@14 / finetune bitfit: this network has no biases"
    )
    assert "linear" in out
    assert "ridge" not in out


@pytest.mark.slow
def test_a_backbone_that_cannot_be_had_fails_all_its_cells(cells, monkeypatch) -> None:
    load = Model.load

    def some(model):
        if model.options[0] == ("image_size", 14) and len(model.options) > 1:
            raise RuntimeError("no\nmemory")
        return load(model)

    monkeypatch.setattr(Model, "load", some)
    said: list[str] = []
    outcome = run(read(cells(PROBES)), report=said.append)
    assert (outcome.ran, len(outcome.failures)) == (3, 1)
    expected = "digits / tiny_vit14@14-random0 (3 cells): RuntimeError: no memory"
    assert outcome.failures == [expected]
    assert any("Traceback" in text for text in said)  # it is no mistake of the user's
    assert f"failed: {expected}" == said[-1]


def test_a_signal_ends_the_run(cells, monkeypatch) -> None:
    def stopped(*_args, **_options):
        raise Unfinished("stopped", 143)

    monkeypatch.setattr(cell_work, "extract", stopped)
    with pytest.raises(Unfinished, match="stopped"):
        run(read(cells(PROBES)))


def test_two_data_sets_of_one_name_are_refused(cells) -> None:
    file = cells(PROBES.replace("data: digits", "data: [digits, digits]"))
    with pytest.raises(InputError, match=r"cells.yaml: data: two data sets are called 'digits'"):
        run(read(file))


def test_a_data_set_that_cannot_be_opened_is_said_with_its_place(cells) -> None:
    file = cells(PROBES.replace("data: digits", "data: {data: digits, task: regression}"))
    with pytest.raises(InputError, match=r"cells.yaml: data: "):
        run(read(file))


@pytest.mark.slow
def test_trainings_run_once_with_what_was_asked_for(cells, trained, cache) -> None:
    grid = read(cells(TUNED + "subset: [0.5, 1]"))
    first = run(grid)
    assert (first.ran, first.there, first.failures) == (4, 0, [])
    names = [(a["backbone"], a["recipe"].name, a["subset"], a["label"]) for a in trained]
    assert names == [
        ("tiny_vit14@14", "last-n", 0.5, ""),
        ("tiny_vit14@14", "last-n", 1.0, ""),
        ("tiny_vit14@14-random0", "full", 0.5, "from scratch"),
        ("tiny_vit14@14-random0", "full", 1.0, "from scratch"),
    ]
    assert trained[0]["lrs"] == (1e-4, 1e-3)
    assert trained[0]["training"].epochs == 3
    assert trained[0]["recipe"].blocks == 2
    assert trained[0]["save"]
    assert trained[0]["resamples"] == 20

    again = run(grid)
    assert (again.ran, again.there, len(trained)) == (0, 4, 4)
    assert ids(again) == ids(first)
    cells_of = {r.cell for r in results.read(cache) if r.probe == "finetune"}
    assert len(cells_of) == 4

    assert run(read(cells(TUNED.replace("epochs: 3", "epochs: 4")))).ran == 1
    assert run(read(cells(TUNED.replace("[1e-4, 1e-3]", "[1e-4, 1e-2]")))).ran == 1
    assert run(read(cells(TUNED.replace("from scratch", "scratch")))).ran == 1
    assert run(read(cells(TUNED.replace("resamples: 20", "resamples: 30")))).ran == 0


def test_a_training_is_a_cell_like_a_probe(cells, class_folders) -> None:
    text = f"""
    data: {class_folders.name}
    models: {{model: tiny_vit14, image_size: 14}}
    extract: {{device: cpu, workers: 1}}
    finetune: [{{recipe: frozen, epochs: 1, name: control}}]
    resamples: 20
    """
    grid = read(cells(text))
    first = run(grid)
    assert first.failures == []
    assert first.results[0].cost["trainable"] > 0
    assert first.results[0].settings["label"] == "control"
    again = run(grid)
    assert (first.ran, again.ran, again.there) == (1, 0, 1)
    assert ids(again) == ids(first)


@pytest.mark.slow
def test_the_table_and_the_paired_differences_are_written(cells, trained, cache, capsys) -> None:
    more = "probes: [{probe: logistic, Cs: 1, refit: false}, prototype]\nagainst: linear\nout: t/a"
    file = cells(TUNED + "extract: {blocks: 1, workers: 0, features: cls}\n" + more)
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", str(file)])
    assert end.value.code == 0
    out, err = capsys.readouterr()
    assert "4 cells ran, 0 were in the cache" in err
    text = (file.parent / "t" / "a.md").read_text()
    for shown in (out, text):
        assert "finetune last-n" in shown
        assert "lr=0.001, blocks=2, epochs=3" in shown
        assert "from scratch" in shown
        assert "0.3 of 2.4 M" in shown
        assert "1.5 min" in shown
        assert "1.2 GB" in shown
        assert "#: features" not in shown
        assert "paired differences" in shown.lower()

    board = list(csv.DictReader((file.parent / "t" / "a.csv").open()))
    assert sorted((r["probe"], r["trainable"]) for r in board) == [
        ("finetune last-n", "300000.0"), ("from scratch", "300000.0"), ("linear", ""),
        ("prototype", ""),
    ]  # fmt: skip

    found = results.latest(results.read(cache))
    made, notes = compare(cache, found, between="all", against="linear", resamples=20)
    assert not notes
    assert len(made) == 3
    assert {c.other.probe for c in made} == {"logistic"}
    rows = {r["id"]: r for r in csv.DictReader((file.parent / "t" / "a-differences.csv").open())}
    assert len(rows) == 3
    for c in made:
        row = rows[c.one.id]
        for name in ("difference", "low", "high", "p"):
            assert float(row[name]) == getattr(c, name)
        assert float(row["p_adjusted"]) == c.adjusted
        assert row["against_id"] == c.other.id
        expected = c.one.metrics["auroc"] - c.other.metrics["auroc"]
        assert float(row["difference"]) == pytest.approx(expected)
        assert np.isclose(float(row["value"]), c.one.metrics["auroc"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["compare", "--between", "all", "--against", "linear", "--resamples", "20"])
    assert end.value.code == 0
    table = [line for line in out.splitlines() if ", linear C=1, no refit" in line]
    assert len(table) == 3
    assert set(table) <= set(capsys.readouterr().out.splitlines())


def test_a_table_that_cannot_be_written_is_told_before_anything_runs(
    cells, class_folders, cache, capsys, monkeypatch
) -> None:
    text = f"data: {class_folders.name}\nmodels: {{model: tiny_vit14}}\nprobes: logistic"
    file = cells(f"{text}\nout: t/a")
    (file.parent / "t").write_text("a file, where a folder is to be")
    monkeypatch.setattr("featprobe.leaderboard.running.run", lambda *_, **__: 1 / 0)
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", str(file)])
    assert end.value.code == 2
    assert "t/a: cannot be written" in capsys.readouterr().err
    assert not results.read(cache)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "digit"], "no cell has data 'digit'. Did you mean 'digits'"),
        (["--metric", "aurok"], "Did you mean 'auroc'"),
    ],
)
def test_options_that_do_not_go_with_a_file_are_refused(cells, capsys, arguments, said) -> None:
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", str(cells(PROBES)), *arguments])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_training_of_another_version_of_splits_is_another_cell(cells, trained) -> None:
    first = run(read(cells(TUNED + "split_version: 1\n")))
    second = run(read(cells(TUNED)))
    assert (first.ran, second.ran) == (2, 2)
    assert [t["split_version"] for t in trained] == [1, 1, 2, 2]
    with pytest.raises(InputError, match="split_version: split version 3: there are 1 and 2"):
        read(cells(TUNED + "split_version: 3\n"))


def test_features_under_the_transform_of_a_data_set_have_keys_of_their_own(cells, cache) -> None:
    text = ONE.replace("data: digits", "data: {data: digits, transform: 'mean=0.2,channels=1'}")
    done = run(read(cells(text)))
    there = run(read(cells(ONE)))
    (own,), (plain,) = ({r.backbone for _, rs in o.cells for r in rs} for o in (done, there))
    assert (own, plain) == ("tiny_vit14@mean0.2-channels1@14", "tiny_vit14@14")
    keys = {e.store.backbone: e.store.key.preprocess for e in entries(paths.feature_root(None))}
    assert (keys[own]["mean"], keys[own]["channels"]) == ([0.2, 0.2, 0.2], 1)
    assert keys[plain]["mean"] != keys[own]["mean"]
