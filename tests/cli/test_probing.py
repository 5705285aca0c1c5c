"""Options of the probing verbs: that each reaches what it names."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featprobe as fp
from featprobe.features.feature_set import FeatureSet
from tests.support.cached import cached


@pytest.fixture
def films(cache: Path) -> FeatureSet:
    """Ninety films of thirty patients: ``cls`` is noise, ``mean`` says the class."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(30) % 3, 3)
    mean = rng.normal(size=(90, 6)) + 2 * np.eye(6)[y]
    return cached(
        cache, {"cls": rng.normal(size=(90, 6)), "mean": mean}, y,
        groups=np.array([f"p{i // 3}" for i in range(90)]),
    )  # fmt: skip


@pytest.fixture
def probed(run, films):
    """The Results of a command line."""

    def call(line: str) -> list[dict[str, Any]]:
        code, out, err = run(*line.split(), "--json", "--resamples", 20)
        assert code == 0, err
        return [json.loads(text) for text in out.splitlines()]

    return call


def test_val_chooses_among_views(probed) -> None:
    found = probed("linear --features cls mean --C 0.1 1")[0]
    assert found["view"] == "mean"
    assert found["settings"]["views"] == ["cls/mean", "mean/mean"]


def test_the_table_names_the_view_that_was_chosen(run, films) -> None:
    code, out, _ = run(*["linear", "--features", "cls", "mean", "--C", "1", "--resamples", "20"])
    assert code == 0
    assert "mean, C=1" in out


def test_features_are_normalised_and_reduced(probed) -> None:
    found = probed("linear --probe ridge --features mean --normalize --pca 3")[0]
    assert found["probe"] == "ridge"
    assert (found["settings"]["normalize"], found["settings"]["pca"]) == (True, 3)


@pytest.mark.parametrize(
    ("line", "probe", "params"),
    [
        ("linear --probe mlp --set width=8 epochs=2", "mlp", {"width": 8, "epochs": 2}),
        ("linear --balanced --C 1", "logistic", {"class_weight": "balanced"}),
        ("linear --solver sklearn --C 1", "logistic", {"solver": "sklearn"}),
        ("linear --no-standardize --C 1", "logistic", {"standardize": False}),
        ("linear --calibrate --C 1", "calibrated", {"probe__Cs": 1.0}),
        ("linear --preset rad-linear --set iterations=9 --features mean", "sgd", {"batch": 128}),
        ("fewshot --probe ridge --shots 1 --tries 2 --set alphas=3", "ridge", {"alphas": 3}),
    ],
)  # fmt: skip
def test_any_probe_with_any_parameter(probed, line: str, probe: str, params: Any) -> None:
    found = probed(line)[0]
    assert found["probe"] == probe
    assert params.items() <= found["params"].items()


def test_a_preset_brings_its_views_and_whether_val_is_refitted(probed) -> None:
    found = probed("linear --preset dinov2-logreg --set Cs=[0.1,1]")[0]
    assert found["view"] == "cls"
    assert found["sizes"]["fit"] == found["sizes"]["train"] + found["sizes"]["val"]


@pytest.mark.parametrize("verb", ["linear --C 1", "knn --k 3"])
def test_a_run_for_each_subset(probed, verb: str) -> None:
    found = probed(f"{verb} --features mean --subset 0.1 0.5 1")
    assert [r["settings"].get("subset") for r in found] == [0.1, 0.5, None]
    sizes = [r["sizes"] for r in found]
    assert sizes[0]["train"] < sizes[1]["train"] < sizes[2]["train"]
    assert sizes[0]["val"] < sizes[2]["val"]
    assert len({s["test"] for s in sizes}) == 1
    assert probed(f"{verb} --features mean --subset 0.5")[0]["metrics"] == found[1]["metrics"]


def test_a_subset_that_is_too_small_is_named_and_the_others_go_on(run, films) -> None:
    line = "knn --features mean --k 20 --subset 0.1 1 --json --resamples 20"
    code, out, err = run(*line.split())
    assert code == 0
    assert [json.loads(text)["settings"].get("subset") for text in out.splitlines()] == [None]
    assert "left aside: films / net, --subset 0.1: k = 20 is more than" in err


def test_tables_show_the_subset(run, films) -> None:
    line = "linear --features mean --C 1 --subset 0.1 1 --resamples 20"
    code, out, _ = run(*line.split())
    assert code == 0
    assert "10 % of train, C=1" in out
    assert "cut to 10 % of their patients" in out
    code, out, _ = run("leaderboard")
    assert code == 0
    assert "10 % of train, C=1" in out


def test_each_film_is_scored_by_the_films_of_other_patients(probed, films) -> None:
    found = probed("knn --loo --k 5 --features mean")[0]
    assert found["protocol"] == "loo"
    assert found["sizes"]["test"] == 90
    y, x = films.y, films.x("mean")
    scores = fp.KNNProbe(5).leave_one_out(x, y, films.groups)[0]
    assert found["metrics"]["accuracy"] == pytest.approx(np.mean(scores.argmax(1) == y))


def test_patients_and_subgroups_are_reported(probed, films, tmp_path: Path) -> None:
    table = tmp_path / "meta.csv"
    sex = ["f" if i % 2 else "m" for i in range(90)]
    table.write_text("id,sex\n" + "\n".join(f"{i},{s}" for i, s in zip(films.ids, sex)))
    found = probed(f"linear --C 1 --level patient --subgroup {table}:sex")[0]
    assert found["settings"]["level"] == "patient"
    assert found["sizes"]["test_units"] == found["sizes"]["test_groups"]
    assert found["subgroups"]["column"].endswith("sex")


def test_a_saved_probe_is_the_one_reported(probed, films, tmp_path: Path) -> None:
    file = tmp_path / "p.safetensors"
    found = probed(f"linear --features cls mean --C 0.1 1 --save {file}")[0]
    saved = fp.load_probe(file)
    assert saved.Cs == found["params"]["Cs"]
    assert saved.score(films.x("mean"), films.y) > 0.7


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("linear --probe logistik", "unknown probe 'logistik'. Did you mean 'logistic'"),
        ("linear --preset rad", "unknown preset 'rad'"),
        ("linear --preset rad-linear --probe ridge", "--preset names the probe"),
        ("linear --set lr=1", "no parameter 'lr'"),
        ("linear --set lr", "--set 'lr' is written NAME=VALUE"),
        ("linear --pca 500", "at most 6 components"),
        ("linear --save p.safetensors --pca 3", "leave those out"),
        ("linear --save p.safetensors --folds 3 --C 1", "leave --folds and --loo out"),
        ("knn --loo --folds 3", "give one"),
        ("knn --loo --subset 0.5", "leave --loo out"),
        ("linear --folds 3 --subset 0.5", "leave --folds out"),
        ("linear --subset 0", "0.0 is not in the range"),
        ("linear --subset 2", "2 training items: a patient of each class are"),
        ("linear --subset 0.1 1 --save p.safetensors", "one --subset"),
        ("fewshot --features cls mean", "give one"),
        ("linear --level study", "--study FILE:COLUMN"),
        ("linear --level-by max", "add --level"),
    ],
)
def test_mistakes_are_one_line(run, films, line: str, told: str) -> None:
    code, out, err = run(*line.split())
    assert code == 2
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert not out


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_results_that_cannot_be_written_are_shown_and_the_verb_fails(
    run, films, form: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("featprobe.core.records.append", full)
    code, out, err = run("linear", "--C", "1", "--resamples", "20", *form)
    assert code == 2
    assert "films" in out or "data" in out
    last = err.splitlines()[-1]
    assert "1 of 1 results are not kept: " in last
    assert "No space left on device" in last
