"""featprobe segment, from a folder of volumes to masks of new ones."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from featprobe.cli.main import main
from tests.segmentation.volumes import boxes


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(w) for w in words])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Volumes with a bright box, their masks, and extracted tokens."""
    root = tmp_path_factory.mktemp("boxes")
    boxes(root / "data", (24, 24, 3), np.diag([1.0, 1.0, 2.0, 1.0]), 12)
    assert not run(
        "extract", "--model", "tiny_vit14", "--image-size", 56, "--features", "tokens:2",
        "--data", root / "data", "--cache", root / "cache", "--workers", 0, "--quiet",
    )  # fmt: skip
    return root


def segment(folder: Path, *more: object) -> int:
    return run(
        "segment", "--data", folder / "data", "--cache", folder / "cache", "--quiet", "--epochs",
        3, "--set", "min_steps=1", *more,
    )  # fmt: skip


def test_from_tokens_to_masks_of_new_images(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "boxes.safetensors"
    assert not segment(folder, "--decoder", "knn", "--save", file, "--json")
    row = json.loads(capsys.readouterr().out)
    assert row["task"] == "segmentation"
    assert row["metrics"]["dice"] > 0.6
    out = tmp_path / "masks"
    assert not run(
        "predict", file, "--data", folder / "data", "--cache", folder / "cache", "--out", out,
        "--json", "--probabilities", "--quiet",
    )  # fmt: skip
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert len(rows) == 12
    assert np.mean([d for r in rows for d in r["dice"].values()]) > 0.6
    assert "masks are known of 12 items" in told.err
    written, p = (nibabel.load(f) for f in sorted(rows[0]["files"], key=len))
    image = nibabel.load(folder / "data" / "images" / "case_00.nii.gz")
    assert written.shape == image.shape
    assert np.array_equal(written.affine, image.affine)
    assert p.shape == (*image.shape, 2)
    assert (written.get_fdata() == 1).sum() == sum(rows[0]["voxels"].values())


def test_results_are_ranked_with_those_of_baselines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not segment(folder, "--decoder", "linear", "logistic", "position", "--lr", 0.03, 0.1)
    assert "segmentation" in capsys.readouterr().out
    assert not run("leaderboard", "--cache", folder / "cache", "--json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = {(r["backbone"], r["params"]["decoder"]) for r in rows}
    assert ("none", "position") in names
    assert ("tiny_vit14@56", "linear") in names
    assert not run("compare", "--cache", folder / "cache", "--between", "all")
    assert "Dice" in capsys.readouterr().out


def test_shots_give_a_row_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not segment(
        folder, "--decoder", "logistic", "--shots", 1, 2, "--tries", 2, "--json"
    )  # fmt: skip
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["shots"] for r in rows] == [1, 2]


def test_decoders_of_several_blocks_take_the_stages_of_a_cnn(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, data = tmp_path / "cache", folder / "data"
    assert not run(
        "extract", "--model", "resnet18", "--init", "random", "--image-size", 32, "--features",
        "tokens:4", "--data", data, "--cache", cache, "--workers", 0, "--quiet",
    )  # fmt: skip
    assert not run(
        "segment", "--data", data, "--cache", cache, "--decoder", "unet", "dpt", "multi", "--set",
        "blocks=4", "widths=[8,8,8]", "width=8", "min_steps=1", "--lr", 0.01, "--epochs", 4,
        "--resamples", 10, "--quiet", "--json",
    )  # fmt: skip
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[0] == "{"]
    assert [r["params"]["decoder"] for r in rows] == ["unet", "dpt", "multi"]
    assert max(r["metrics"]["dice"] for r in rows) > 0.5
    assert rows[0]["view"] == "tokens:4"


def test_overlays_are_drawn_where_they_are_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "new" / "logistic.png"
    assert not segment(folder, "--decoder", "logistic", "--overlays", file, "--json")
    assert file.read_bytes().startswith(b"\x89PNG")
    assert f"wrote {file}: it shows images of patients" in capsys.readouterr().err
    assert not segment(folder, "--decoder", "logistic", "position", "--overlays", tmp_path / "all")
    names = sorted(f.name for f in (tmp_path / "all").iterdir())
    assert [n.split("_")[-1] for n in names] == ["logistic.png", "position.png"]
    assert all("data_tiny_vit14@56_" in n for n in names)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--decoder", "lineer"], "unknown decoder 'lineer'. Did you mean 'linear'"),
        (["--preset", "rad-seg"], "unknown preset 'rad-seg'"),
        (["--preset", "rad-seg-unet"], "takes the tokens of the last 5 blocks, and 2 are stored"),
        (["--set", "width=3"], "unknown setting 'width'"),
        (["--folds", "3", "--shots", "1"], "--folds and --shots are two ways to split"),
        (["--decoder", "linear", "knn", "--save", "x.safetensors"], "--save is of one decoder"),
        (["--decoder", "linear", "knn", "--overlays", "x.png"], "there are 2: give a folder"),
        (["--shots", "1", "--overlays", "x.png"], "--overlays are of one fit"),
        (["--decoder", "position", "--save", "x.safetensors"], "position is a baseline"),
        (["--model", "dinov2_vits14"], "no features of backbone 'dinov2_vits14'"),
        (["--image-size", "448"], "--image-size 448 --features tokens"),
        (["--lr", "-1"], "-1"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(folder, *words) == 2
    told = capsys.readouterr().err
    assert why in told
    assert "Traceback" not in told
