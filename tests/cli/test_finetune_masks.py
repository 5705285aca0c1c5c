"""featprobe finetune --task segmentation, from a folder of volumes to masks of new ones."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.segmentation.volumes import boxes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Volumes with a bright box and their masks, on an oblique grid."""
    root = tmp_path_factory.mktemp("boxes")
    affine = np.array([[-0.9, 0.1, 0, 7], [0.1, 0.9, 0, -3], [0, 0, 2.5, 11], [0, 0, 0, 1]])
    boxes(root, (24, 22, 2), affine, 10)
    return root


def quick(folder: Path, *more: object) -> tuple[object, ...]:
    return (
        "finetune", "--model", "tiny_vit14", "--image-size", 28, "--data", folder, "--task",
        "segmentation", "--epochs", 1, "--batch", 8, "--device", "cpu", "--workers", 0,
        "--resamples", 20, "--quiet", *more,
    )  # fmt: skip


@pytest.mark.slow
def test_from_volumes_to_masks_of_new_ones(folder: Path, tmp_path: Path, run) -> None:
    how = ("--recipe", "last-n", "--decoder", "conv", "--set", "blocks=1", "decoder.width=8")
    code, out, err = run(*quick(folder, *how, "--lr", "1e-4", "1e-3", "--json"))
    assert code == 0, err
    row = json.loads(out)
    assert row["task"] == "segmentation"
    assert row["params"]["decoder.width"] == 8
    assert row["params"]["blocks"] == 1
    assert row["searched"] == ["lr"]
    kept = Path(row["provenance"]["folder"])
    out_folder = tmp_path / "masks"
    code, out, err = run(
        "predict", kept / "decoder.safetensors", "--data", folder, "--out", out_folder, "--json",
        "--quiet",
    )  # fmt: skip
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 12
    written = nibabel.load(rows[0]["files"][0])
    image = nibabel.load(folder / "images" / "case_00.nii.gz")
    assert written.shape == image.shape
    assert written.affine.tobytes() == image.affine.tobytes()
    assert int((written.get_fdata() == 1).sum()) == sum(rows[0]["voxels"].values())
    code, out, _ = run("leaderboard", "--data", folder.name)
    assert code == 0
    assert "finetune last-n conv" in out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--decoder", "knn"), "decoder knn is nothing that a backbone trains through"),
        (("--decoder", "linaer"), "Did you mean"),
        (("--balanced",), "balanced has no effect on segmentation"),
        (("--set", "widht=3"), "no setting 'widht'"),
        (("--set", "scale=big"), "scale must be a whole number"),
        (("--select", "auroc"), "chosen by dice or log_loss"),
        (("--level", "patient"), "level patient is of scores of items"),
        (("--masks", "none"), "has no masks, which --task segmentation needs"),
    ],
)
def test_mistakes_are_one_line(folder: Path, run, more, told: str) -> None:
    code, _, err = run(*quick(folder, *more))
    assert code == 2
    assert told in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("Error")]) <= 1


def test_options_of_masks_need_the_task(folder: Path, run) -> None:
    code, _, err = run("finetune", "--model", "tiny_vit14", "--data", folder, "--decoder", "conv")
    assert code == 2
    assert "add --task segmentation" in err
    code, _, err = run(
        "extract", "--model", "tiny_vit14", "--data", folder, "--task", "segmentation"
    )
    assert code == 2
    assert "for 'featprobe finetune'" in err
