"""featprobe finetune"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from featprobe.backbones import load
from featprobe.evaluation import results
from featprobe.finetuning import export as exporting
from tests.extraction.commands import save_tiny
from tests.extraction.films import class_films


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finetune")
    save_tiny(folder / "model")
    class_films(folder / "films", 12)
    return folder


def quick(place: Path, *args: object) -> tuple[object, ...]:
    return (
        "finetune", "--model", place / "model", "--data", place / "films", "--epochs", 1,
        "--batch", 4, "--device", "cpu", "--workers", 0, "--resamples", 20, *args,
    )  # fmt: skip


def test_a_table_and_the_folder_of_the_trained_backbone(place: Path, run) -> None:
    asked = quick(place, "--recipe", "lora", "--set", "rank=2", "--title", "small adapters")
    code, out, err = run(*asked)
    assert code == 0
    assert "AUROC" in out
    assert "films" in out
    assert "parameters train" in err
    folder = err.partition("featprobe extract --model ")[2].split()[0]
    assert (Path(folder) / "config.json").is_file()
    assert run("extract", "--model", folder, "--data", place / "films", "--quiet")[0] == 0
    assert run("linear", "--no-refit", "--data", "films", "--resamples", 20)[0] == 0
    head = err.partition("featprobe predict ")[2].split()[0]
    code, out, _ = run("predict", head, "--data", place / "films", "--quiet")
    assert code == 0
    assert len(out.splitlines()) == 1 + len(list((place / "films").rglob("*.png")))
    assert "trainings: " in run("cache", "ls")[1]
    code, out, _ = run("leaderboard", "--data", "films")
    assert code == 0
    assert "small adapters" in out
    assert " of 0.0 M" in out  # parameters that trained
    assert "†" in out  # the linear probe's backbone was trained on these films


def test_json_is_one_result_for_each_subset(place: Path, run) -> None:
    code, out, _ = run(*quick(place, "--recipe", "bitfit", "--subset", 0.5, 1, "--json"))
    assert code == 0
    half, whole = map(json.loads, out.splitlines())
    assert half["sizes"]["fit"] < whole["sizes"]["fit"]
    assert half["split"]["digest"] != whole["split"]["digest"]
    assert half["sizes"]["test"] == whole["sizes"]["test"]
    assert half["settings"]["subset"] == 0.5
    assert half["params"]["recipe"] == "bitfit"
    assert half["cost"]["trainable"] < half["cost"]["parameters"]


@pytest.mark.slow
def test_several_seeds_are_one_row_of_their_mean(place: Path, run, cache) -> None:
    asked = quick(place, "--recipe", "bitfit", "--seed", 0, 1, "--subset", 0.6, 1)
    code, out, err = run(*asked, "--json")
    assert code == 0, err
    shown = [json.loads(line) for line in out.splitlines()]
    kept = results.read(cache)
    assert len(kept) == 4
    assert [len(r["seeds"]) for r in shown] == [2, 2]
    for mean, subset in zip(shown, (0.6, 1.0)):
        singles = [r for r in kept if r.settings.get("subset", 1.0) == subset]
        assert mean["seeds"] == {str(r.settings["seed"]): r.id for r in singles}
        values = [r.metrics["auroc"] for r in singles]
        assert mean["metrics"]["auroc"] == pytest.approx(np.mean(values))
        assert mean["spread"]["auroc"] == pytest.approx(np.std(values, ddof=1))
        assert len({r.split["digest"] for r in singles}) == 2  # no split is official
        assert len({r.provenance["folder"] for r in singles}) == 2
    code, out, _ = run(*asked)  # finished: scored alone
    assert code == 0
    assert re.search(r"2 seeds.* ± ", out)
    assert len(results.latest(results.read(cache))) == 4


def test_a_preset_with_changes(place: Path, run) -> None:
    asked = quick(place, "--preset", "rad-lora", "--lr", 1e-3, "--set", "rank=3", "--json")
    code, out, _ = run(*asked)
    assert code == 0
    (line,) = out.splitlines()
    params = json.loads(line)["params"]
    assert (params["recipe"], params["rank"], params["alpha"]) == ("lora", 3, 16)
    assert (params["epochs"], params["lr"]) == (1, 1e-3)


def test_patients_and_subgroups_are_reported(place: Path, tmp_path: Path, run) -> None:
    films = sorted((place / "films").rglob("*.png"))
    table = tmp_path / "meta.csv"
    ids = [str(f.relative_to(place / "films")) for f in films]
    table.write_text("id,sex\n" + "\n".join(f"{n},{'fm'[i % 2]}" for i, n in enumerate(ids)))
    asked = quick(place, "--recipe", "frozen", "--level", "patient", "--level-by", "max")
    code, out, err = run(*asked, "--subgroup", f"{table}:sex", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["settings"]["level"], found["settings"]["level_by"]) == ("patient", "max")
    assert found["subgroups"]["column"].endswith("sex")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--recipe", "lorra"], "unknown recipe 'lorra'. Did you mean 'lora'?"),
        (["--set", "epoch=3"], "recipe full has no setting 'epoch'. Did you mean 'epochs'?"),
        (["--set", "balanced=False"], "balanced must be true or false, not 'False'"),
        (["--recipe", "lora", "--set", "rank=big"], "recipe lora: rank must be a whole number"),
        (["--recipe", "last-n", "--set", "blocks=9"], "has 2 blocks"),
        (["--preset", "rad-lora", "--recipe", "full"], "names the recipe"),
        (["--preset", "rad-lara"], "Did you mean 'rad-lora'?"),
        (["--augment", "flop"], "unknown augmentation 'flop'. Did you mean 'flip'?"),
        (["--features", "clss"], "unknown output 'clss'. Did you mean 'cls'?"),
        (["--features", "cls:9"], "has 2 blocks of cls, not 9"),
        (["--accumulate", 3], "a batch of 4 cannot be cut into 3 equal parts"),
        (["--subset", 0.5, 1, "--run", "x"], "--run is of one training, not of several --subset"),
        (["--seed", 0, 1, "--run", "x"], "not of several --subset or --seed"),
        (["--seed", 0, 1, "--set", "seed=3"], "--seed names several: leave seed out of --set"),
        (["--subset", 0], "subset"),
        (["--subset", 1.5], "subset"),
        (["--level-by", "max"], "--level-by joins the items of a patient or a study: add --level"),
        (["--device", "cuda"], "sees no GPU here"),
        (["--smoothing", 1], "smoothing 1.0 must be at least 0 and below 1"),
        (["--lr", 1e9, "--set", "clip=null", "--recipe", "full"], "the loss is"),
    ],
)
def test_a_mistake_is_one_line(place: Path, args, told: str, run) -> None:
    code, _, err = run(*quick(place, "--quiet", *args))
    assert code == 2
    assert told in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_export_that_is_not_verified_is_kept_and_ends_with_1(
    place: Path, run, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(exporting, "load_backbone", lambda _folder: 1 / 0)
    asked = quick(place, "--recipe", "bitfit", "--run", tmp_path / "run", "--quiet")
    code, out, err = run(*asked)
    assert code == 1
    assert "AUROC" in out  # what was measured is printed
    said = [line for line in err.splitlines() if "export cannot be read back" in line]
    assert len(said) == 1
    assert f"kept in {tmp_path / 'run' / 'backbone-unverified'}" in said[0]
    code, out, err = run(*asked, "--json")
    assert code == 1
    (result,) = map(json.loads, out.splitlines())
    assert any("export cannot be read back" in text for text in result["notes"])
    monkeypatch.undo()
    head = tmp_path / "run" / "head.safetensors"
    assert run("predict", head, "--data", place / "films", "--quiet")[0] == 0
    assert run(*asked)[0] == 0  # the finished training is exported again
    assert not (tmp_path / "run" / "backbone-unverified").exists()


@pytest.mark.slow
def test_a_backbone_is_loaded_once_and_its_export_read_back_once(
    place: Path, run, monkeypatch, tmp_path: Path
) -> None:
    loads, original = [], load._load

    def counted(source):
        loads.append(source.place)
        return original(source)

    monkeypatch.setattr(load, "_load", counted)
    asked = quick(place, "--recipe", "last-n", "--set", "refit=true", "--quiet")
    code, _, err = run(*asked, "--lr", 1e-3, 1e-4, "--run", tmp_path / "run")
    assert code == 0, err
    assert loads == [str(place / "model"), str(tmp_path / "run" / "backbone-unverified")]
    loads.clear()
    assert run(*asked, "--subset", 0.5, 1)[0] == 0
    assert loads[0] == str(place / "model")
    assert len(loads) == 3  # one of each training's exports
    loads.clear()
    assert run("predict", tmp_path / "run" / "head.safetensors", "--data", place / "films")[0] == 0
    assert loads == [str(tmp_path / "run" / "backbone")]


def test_data_without_labels_have_nothing_to_train_on(place: Path, tmp_path: Path, run) -> None:
    lone = class_films(tmp_path / "films", 3) / "a"
    given = [a if a != place / "films" else lone for a in quick(place, "--quiet")]
    code, _, err = run(*given)
    assert code == 2
    assert "no labels" in err
