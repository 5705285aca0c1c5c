"""``featprobe predict`` where labels are known: a saved probe and a fine-tuned network alike."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

from featprobe.images.versions import READERS
from tests.extraction.commands import save_tiny

TASKS = ("multiclass", "multilabel", "regression")
COLUMNS = {"multiclass": ["kind"], "multilabel": ["left", "right"], "regression": ["size"]}


def study(folder: Path, n: int, seed: int, labelled: bool = True) -> Path:
    """A table of ``n`` pictures, two of a patient, whose two halves say every label."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = [["path", "patient", "kind", "left", "right", "size"]]
    for i in range(n):
        left, right = rng.integers(0, 2, 2)
        size = rng.uniform(0, 5)
        pixels = rng.normal(60, 15, (32, 32))
        pixels[:, :16] += 60 * left
        pixels[:16] += 60 * right
        pixels[24:] = 50 * size
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"p{i:03d}.png")
        kind = ("none", "left")[left]
        rows.append([f"p{i:03d}.png", f"s{i // 2}", kind, left, right, f"{size:.4f}"])
    if not labelled:
        rows = [r[:2] for r in rows]
    with (folder / "table.csv").open("w", newline="") as f:
        csv.writer(f).writerows(rows)
    return folder / "table.csv"


def read_as(task: str) -> list[object]:
    return ["--label", *COLUMNS[task], "--task", task, "--group", "patient"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict")
    save_tiny(folder / "model")
    study(folder / "films", 60, 0)
    study(folder / "elsewhere" / "films", 40, 1)
    study(folder / "bare" / "films", 6, 2, labelled=False)
    (folder / "odd").mkdir()
    for i in range(6):  # checks of one pixel, which no training item resembles
        checks = np.indices((32, 32)).sum(0) % 2 * 255
        Image.fromarray(checks.astype(np.uint8)).save(folder / "odd" / f"o{i}.png")
    return folder


@pytest.fixture(scope="module", params=["probe", "network"])
def made(request, place: Path) -> str:
    return request.param


@pytest.fixture
def saved(made: str, place: Path, run):
    """A function from a task to the file that predicts it."""

    def call(task: str) -> Path:
        table = ["--data", place / "films" / "table.csv", *read_as(task), "--name", f"films_{task}"]
        table += ["--cache", place / f"cache_{task}_{made}"]
        file = place / f"{task}_{made}" / "head.safetensors"
        if file.is_file():
            return file
        quiet = ["--device", "cpu", "--workers", 0, "--quiet"]
        if made == "network":
            code, _, err = run(
                "finetune", "--model", place / "model", *table, *quiet, "--recipe", "last-n",
                "--epochs", 6, "--batch", 8, "--lr", 1e-3, "--head-lr", 1e-2, "--resamples", 20,
                "--run", file.parent,
            )  # fmt: skip
        else:
            file.parent.mkdir()
            code, _, err = run("extract", "--model", place / "model", *table, *quiet)
            assert code == 0, err
            probe = ["--probe", "ridge"] if task == "regression" else []
            cache = ["--cache", place / f"cache_{task}_{made}"]
            code, _, err = run("linear", *probe, "--resamples", 20, "--save", file, *cache)
        assert code == 0, err
        return file

    return call


def judged(err: str) -> dict[str, tuple[float, float, float]]:
    """Metric -> value and interval, of what was said."""
    lines = re.findall(r"^  (\S+) +(-?[\d.]+) \[(-?[\d.]+), (-?[\d.]+)\]$", err, re.M)
    return {name: (float(v), float(low), float(high)) for name, v, low, high in lines}


@pytest.mark.parametrize("task", TASKS)
def test_labelled_images_are_judged(task: str, saved, place: Path, run) -> None:
    file, table = saved(task), place / "elsewhere" / "films" / "table.csv"
    asked = ("predict", file, "--data", table, "--cache", place / "new", "--quiet")
    code, out, err = run(*asked, *read_as(task))
    assert code == 0, err
    assert "labels are known of 40 items of 20 patients" in err
    assert "lie far outside" not in err
    found = judged(err)
    rows, truth = list(csv.DictReader(io.StringIO(out))), list(csv.DictReader(table.open()))
    assert [r["id"] for r in rows] == [t["path"] for t in truth]
    if task == "multiclass":
        expected = accuracy_score([t["kind"] for t in truth], [r["predicted"] for r in rows])
        name = "accuracy"
    elif task == "multilabel":
        names, name = COLUMNS[task], "auroc"
        y, p = ([[float(r[n]) for n in names] for r in rows_of] for rows_of in (truth, rows))
        expected = roc_auc_score(y, p, average="macro")
    else:
        expected = r2_score(
            [float(t["size"]) for t in truth], [float(r["predicted"]) for r in rows]
        )
        name = "r2"
    value, low, high = found[name]
    assert value == pytest.approx(expected, abs=6e-4)
    assert low < value < high
    assert expected > 0.6  # there is something to judge
    if task != "regression":  # its own labels are found by the name of the column or not at all
        return
    code, _, err = run(*asked)
    assert code == 0, err
    assert "labels are known" not in err


@pytest.mark.parametrize("task", TASKS)
def test_the_training_set_itself_and_another_of_its_name(task, saved, place: Path, run) -> None:
    file = saved(task)
    named = ["--name", f"films_{task}", "--cache", place / "new", "--quiet", *read_as(task)]
    code, out, err = run("predict", file, "--data", place / "films" / "table.csv", *named)
    assert code == 0, err
    assert len(out.splitlines()) == 61
    assert "labels are known of 60 items of 30 patients" in err
    assert "other images" not in err
    table = place / "elsewhere" / "films" / "table.csv"
    code, out, err = run("predict", file, "--data", table, *named)
    assert code == 0, err
    assert f"other images than those of films_{task}: cached as films_{task}-new" in err
    assert "labels are known of 40 items of 20 patients" in err


def test_images_of_another_kind_are_warned_of(saved, place: Path, run) -> None:
    for task in TASKS:
        asked = ["--data", place / "odd", "--cache", place / "new", "--quiet"]
        code, _, err = run("predict", saved(task), *asked)
        assert code == 0, err
        assert "the features of 6 of 6 items lie far outside those of training" in err


def test_images_without_labels_are_predicted_and_labels_asked_for_must_be_there(
    saved, place: Path, run
) -> None:
    file, table = saved("multiclass"), place / "bare" / "films" / "table.csv"
    asked = ("predict", file, "--data", table, "--cache", place / "new", "--quiet")
    code, out, err = run(*asked)
    assert code == 0, err
    assert len(out.splitlines()) == 7
    assert "labels are known" not in err
    code, _, err = run(*asked, "--label", "kind")
    assert code == 2
    assert "'kind'" in err
    assert len(err.strip().splitlines()) == 1


def test_a_reader_that_changed_since_is_told(saved, place: Path, run, monkeypatch) -> None:
    file = saved("multiclass")
    asked = ("predict", file, "--data", place / "odd", "--quiet")
    code, before, err = run(*asked, "--cache", place / "new")
    assert "of the reader" not in err
    monkeypatch.setitem(READERS, "picture", 2)
    code, out, err = run(*asked, "--cache", place / "newer")
    assert code == 0, err
    (told,) = [line for line in err.splitlines() if "of the reader" in line]
    assert told.startswith("picture: pixels are read by version 2 of the reader, those of training")
    assert "were by version 1: make the probe anew" in told
    assert out == before
