"""What verbs say of masks."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image


def films(root):
    for name in ("images/a.png", "images/b.png", "masks/a.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        values = np.eye(40, 36, dtype=np.uint8) * 255
        Image.fromarray(values[::-1] if "b" in name else values).save(root / name)
    return root


def test_check_says_what_is_wrong_with_masks(run, tmp_path):
    root = films(tmp_path / "d")
    code, out, _ = run("data", "check", root, "--strict")
    assert code == 1
    assert "masks/, 1 masks" in out
    assert "1 images without a mask\n           images/b.png" in out
    code, out, _ = run("data", "check", root, "--json")
    assert code == 0
    assert json.loads(out)["masks"]["items"] == {"background": 1, "foreground": 1}
    code, _, err = run("data", "check", root, "--mask-classes", "a=x")
    assert code == 2
    assert "'x' is no number" in err


def test_extraction_says_that_masks_were_found(run, tmp_path):
    root = films(tmp_path / "d")
    extract = ["extract", "--model", "resnet18", "--init", "random", "--image-size", "32",
               "--quiet", "--workers", "0", "--data", root]  # fmt: skip
    code, out, err = run(*extract, "--mask-classes", "bone=0", "lung=255")
    assert code == 0, err
    assert "masks     masks/, 1 of 2 items: bone, lung" in out
    assert "extracted 2 frames" in out
    values = np.zeros((40, 36), np.uint8)
    Image.fromarray(values).save(root / "masks" / "a.png")
    code, out, _ = run(*extract, "--masks", "none")
    assert "nothing to do" in out  # a changed mask is no reason to extract again
    assert "masks  " not in out


def test_a_split_of_masks_tells_components_what_trains(run, tmp_path):
    root = tmp_path / "d"
    for i in range(20):
        for folder in ("images", "masks"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(i).integers(0, 2, (40, 36)).astype(np.uint8)
            Image.fromarray(values * 255).save(root / folder / f"{i}.png")
    code, out, err = run("data", "split", root, "--out", tmp_path / "s.csv")
    assert code == 0, err
    assert "train 12 items" in out
    code, out, err = run(
        "extract", "--model", "resnet18", "--init", "random", "--image-size", "64", "--quiet",
        "--workers", "0", "--data", root, "--features", "tokens", "--dim", "4", "--dtype", "int8",
        "--split", tmp_path / "s.csv",
    )  # fmt: skip
    assert code == 0, err
    assert "on 4 principal components of 12 training items: " in out
