"""The command line as a user meets it: tables, JSON lines, one-line errors with exit code 2."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featprobe.cli.main import VERBS

RESNET = ["--model", "resnet18", "--init", "random", "--image-size", "32", "--quiet"]


@pytest.fixture
def extracted(run, class_folders):
    code, _, err = run("extract", *RESNET, "--data", class_folders)
    assert code == 0, err
    return run


def one_line(err: str) -> str:
    """The only line on standard error, which names the program and holds no traceback."""
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("featprobe: error: ")
    return lines[0]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(run, verb: str) -> None:
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert "Examples:" in out
    assert f"featprobe {verb}" in out


def test_extract_says_what_it_did_and_that_weights_are_random(run, class_folders) -> None:
    code, out, _ = run("extract", *RESNET, "--data", class_folders)
    assert code == 0
    assert "40 items, 40 frames, 2 multiclass classes" in out
    assert "patients  20 (file names of the form <patient>_<index>)" in out
    assert "RANDOM weights" in out
    code, out, _ = run("extract", *RESNET, "--data", class_folders)
    assert "nothing to do: all frames are in the cache" in out


def test_probes_print_tables_with_intervals_and_chance(extracted) -> None:
    for verb, extra in (("knn", ["--k", 1, 5]), ("linear", []), ("fewshot", ["--shots", 1, 4])):
        code, out, _ = extracted(verb, *extra, "--resamples", 50)
        assert code == 0
        assert "films" in out
        assert "resnet18@32-random0" in out
        assert "chance" in out
        assert re.search(r"films +resnet18@32-random0.* \d\.\d{3} +\d\.\d\d", out)
        assert "no intervals: 4 test patients, at least 10 are needed" in out
        assert "no patient in two parts" in out
    code, out, _ = extracted("leaderboard")
    assert code == 0
    assert "leaderboard.md" in out


def test_json_is_one_result_a_line_and_nothing_else(extracted) -> None:
    code, out, _ = extracted("knn", "--k", 1, 5, 20, "--json", "--resamples", 50)
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [r["params"]["k"] for r in rows] == [1, 5, 20]
    assert all(r["ci"]["auroc"] == [None, None] for r in rows)  # of four patients
    code, out, _ = extracted("leaderboard", "--json")
    assert [json.loads(line)["probe"] for line in out.splitlines()] == ["knn"]


def test_a_data_set_is_named_by_its_path_too(extracted, class_folders) -> None:
    code, out, _ = extracted("knn", "--k", 3, "--data", class_folders, "--json")
    assert code == 0
    assert json.loads(out)["dataset"] == "films"


def test_one_set_that_cannot_be_probed_does_not_stop_the_others(extracted, tmp_path) -> None:
    (tmp_path / "plain").mkdir()
    Image.fromarray(np.arange(900, dtype=np.uint8).reshape(30, 30)).save(tmp_path / "plain/a.png")
    assert extracted("extract", *RESNET, "--data", tmp_path / "plain")[0] == 0
    code, out, err = extracted("knn", "--k", 3, "--json")
    assert code == 0
    assert len(out.splitlines()) == 1
    assert "plain / resnet18@32-random0: the data set has no labels" in err
    code, _, err = extracted("knn", "--data", "plain")
    assert code == 2
    assert "nothing to probe" in one_line(err)


def test_listing_and_showing(extracted) -> None:
    _, out, _ = extracted("models", "--json")
    assert {"dinov2_vitl14", "resnet50", "vit_l16"} <= {m["name"] for m in json.loads(out)}
    assert "facebook/dinov2-large" in extracted("models", "show", "dinov2_vitl14")[1]
    assert "phantom_ct" in extracted("data")[1]
    assert "CC-BY" in extracted("data", "show", "digits")[1]
    assert "complete" in extracted("cache")[1]
    store = json.loads(extracted("cache", "--json")[1])["store"]
    assert extracted("cache", "rm", store)[0] == 0
    assert "0 stores" in extracted("cache")[1]


def mistakes(tmp: Path) -> None:
    """Files to make mistakes with."""
    (tmp / "empty").mkdir()
    one = tmp / "one" / "only"
    one.mkdir(parents=True)
    Image.fromarray(np.eye(30, dtype=np.uint8) * 200).save(one / "a.png")
    (tmp / "labels.csv").write_text("path,label\nmissing1.png,a\nmissing2.png,b\n")
    (tmp / "twice.csv").write_text("path,label\none/only/a.png,a\none/only/a.png,b\n")
    (tmp / "notes.doc").write_text("hello")


EXTRACT = "extract --quiet --init random --image-size 32 --model resnet18 --data"
MISTAKES = {  # the command, and what the one line must say
    f"{EXTRACT} digist": "Did you mean 'digits'",
    f"{EXTRACT} {{tmp}}/nowhere": "nowhere: no such file or folder",
    f"{EXTRACT} {{tmp}}/empty": "empty: no image files",
    f"{EXTRACT} {{tmp}}/labels.csv": "none of its 2 files exist",
    f"{EXTRACT} {{tmp}}/twice.csv": "'one/only/a.png'",
    f"{EXTRACT} {{tmp}}/notes.doc": "not a data set",
    f"{EXTRACT} digits --intensity windw=1,2": "unknown intensity rule",
    f"{EXTRACT} digits --cache {{tmp}}/notes.doc": "notes.doc",
    "extract --model resnet51 --init random --data digits": "Did you mean 'resnet5",
    "extract --model resnet18 --data digits --weights {tmp}/w.safetensors": "no such weights file",
    "knn": "no complete feature set",
    "leaderboard": "no results",
    "report": "no results",
    "knn --kay 3": "No such option",
    "lineer": "Did you mean 'linear'",
    "knn --k many": "'many' is not a valid integer",
    "knn --k 0": "0 is not in the range",
    "knn --seed -1": "-1 is not in the range",
    f"{EXTRACT} digits --name ../evil": "make a name",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(run, tmp_path, command: str) -> None:
    mistakes(tmp_path)
    code, out, err = run(*command.format(tmp=tmp_path).split())
    assert code == 2
    assert out == ""
    assert MISTAKES[command] in one_line(err)


def test_one_class_only_says_why_it_cannot_be_probed(run, tmp_path) -> None:
    mistakes(tmp_path)
    assert run("extract", *RESNET, "--data", tmp_path / "one")[0] == 0
    code, _, err = run("knn", "--data", "one")
    assert code == 2
    assert "one class only (only)" in one_line(err)


def test_a_real_process_exits_2_without_a_traceback(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "featprobe.cli.main", "extract", "--model", "x", "--data", "nope"],
        capture_output=True, text=True, env={"FEATPROBE_CACHE": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    one_line(done.stderr)


@pytest.mark.parametrize("setting", [[], ["--features", "mean"], ["--pool", "max"]])
def test_views_and_pooling_are_accepted(extracted, setting) -> None:
    assert extracted("linear", "--C", 0.1, 1, "--resamples", 20, *setting)[0] == 0


def test_a_view_the_store_lacks_is_told(extracted) -> None:
    code, _, err = extracted("linear", "--features", "cls")
    assert code == 2
    assert "has no 'cls'" in one_line(err)


def test_tables_mark_a_backbone_that_has_seen_the_data(run, class_folders, tmp_path, monkeypatch):
    import torch
    from transformers import AutoModel, ViTConfig

    from featprobe.backbones.catalog import CATALOG
    from featprobe.backbones.spec import ModelSpec, Preprocess

    config = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "image_size": 16, "patch_size": 8,
    }  # fmt: skip
    entry = ModelSpec(
        name="seer", family="vit", source="", width=16, blocks=1, parameters=0.01, patch=8,
        preprocess=Preprocess(resize=(16, 16), crop=None), overlap={"films": "it read them"},
    )  # fmt: skip
    monkeypatch.setitem(CATALOG, "seer", ModelSpec(**{**entry.__dict__, "config": config}))
    torch.manual_seed(0)
    AutoModel.from_config(ViTConfig(**config), add_pooling_layer=False).save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    for how in (["--weights", weights], ["--init", "random"]):
        code, _, err = run("extract", "--model", "seer", *how, "--data", class_folders, "--quiet")
        assert code == 0, err
    why = "† films / seer-model: not unseen data for this backbone, it read them"
    code, out, _ = run("knn")
    assert code == 0
    assert why in out
    named = [line for line in out.splitlines() if "seer-random0" in line]
    assert named
    assert not any("†" in line for line in named)
    code, out, _ = run("leaderboard", "--out", tmp_path / "board")
    assert "seer-model †" in out
    assert why in out
    assert why in (tmp_path / "board.md").read_text()
    code, out, _ = run("knn", "--json")
    found = {r["backbone"]: r["overlap"] for r in map(json.loads, out.splitlines())}
    assert found == {"seer-model": "it read them", "seer-random0": ""}


def test_windows_is_told_in_one_line_and_still_has_help(run, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    code, _, err = run("models")
    assert code == 2
    assert "runs on Linux and macOS" in one_line(err)
    assert run("models", "--help")[0] == 0
