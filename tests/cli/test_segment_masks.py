"""Masks of every kind, from files through extraction to scores of segment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

ITEMS, SIDE = 10, 24
PLAIN = np.diag([1.0, 1.0, 2.0, 1.0])


def drawn(i: int, depth: int = 3, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """An image (X, Y, Z) with a bright box of each class, and its labels."""
    rng = np.random.default_rng(i)
    image, mask = rng.normal(100, 5, (SIDE, SIDE, depth)), np.zeros((SIDE, SIDE, depth), np.uint8)
    for c in range(1, classes):
        x, y = rng.integers(1, 4), rng.integers(1, 13)
        mask[12 * (c - 1) + x : 12 * (c - 1) + x + 8, y : y + 10] = c
    image[mask > 0] += 60 * mask[mask > 0]
    return image.astype(np.float32), mask


def volume(path: Path, values: np.ndarray, affine: np.ndarray = PLAIN) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def volumes(root: Path, items: int = ITEMS, **how: Any) -> Path:
    affine = how.pop("affine", PLAIN)
    for i in range(items):
        image, mask = drawn(i, **how)
        volume(root / "images" / f"c{i:02d}.nii.gz", image, affine)
        volume(root / "labels" / f"c{i:02d}.nii.gz", mask, affine)
    return root


def turned(values: np.ndarray, order: tuple[int, ...], flip: tuple[int, ...]) -> np.ndarray:
    return np.flip(values.transpose(order), flip).copy()


def turned_affine(affine: np.ndarray, shape: Any, order: Any, flip: Any) -> np.ndarray:
    """Of an array whose axes were put into another order and then flipped."""
    move = np.zeros((4, 4))
    move[3, 3] = 1
    for new, old in enumerate(order):
        move[old, new] = -1 if new in flip else 1
        move[old, 3] = shape[old] - 1 if new in flip else 0
    return affine @ move


@pytest.fixture
def reach(run: Any, tmp_path: Path) -> Any:
    """Extract and segment a folder; the Result as JSON and what was said."""

    def reached(root: Path, *more: Any, segment: tuple[Any, ...] = ()) -> tuple[dict, str]:
        words = ["--data", root, "--cache", tmp_path / "cache", "--quiet", *more]
        code, _, err = run(
            "extract", "--model", "tiny_vit14", "--image-size", 56, "--features", "tokens",
            "--workers", 0, *words,
        )  # fmt: skip
        assert code == 0, err
        code, out, err = run(
            "segment", "--decoder", "logistic", "--resamples", 10, "--json", *words, *segment
        )
        assert "Traceback" not in err
        return (json.loads(out) if code == 0 else {"code": code}), err

    return reached


def test_spacing_is_in_distances_and_not_in_dice(reach: Any, tmp_path: Path) -> None:
    fine, _ = reach(volumes(tmp_path / "fine"), "--plane", "axial")
    coarse, _ = reach(
        volumes(tmp_path / "coarse", affine=np.diag([0.5, 0.5, 7.0, 1.0])), "--plane", "axial"
    )
    assert fine["metrics"]["dice"] > 0.6
    assert coarse["metrics"]["dice"] == pytest.approx(fine["metrics"]["dice"])
    assert coarse["metrics"]["asd"] == pytest.approx(fine["metrics"]["asd"] / 2, rel=0.3)


@pytest.mark.parametrize(("order", "flip"), [((0, 1, 2), (0, 2)), ((2, 0, 1), (1,))])
def test_axes_of_masks_and_images_in_any_order(
    reach: Any, tmp_path: Path, order: tuple[int, ...], flip: tuple[int, ...]
) -> None:
    wanted, _ = reach(volumes(tmp_path / "plain"), "--plane", "axial")
    for name, both in (("masks", False), ("both", True)):
        root = volumes(tmp_path / name)
        for i in range(ITEMS):
            image, mask = drawn(i)
            affine = turned_affine(PLAIN, mask.shape, order, flip)
            volume(root / "labels" / f"c{i:02d}.nii.gz", turned(mask, order, flip), affine)
            if both:
                volume(root / "images" / f"c{i:02d}.nii.gz", turned(image, order, flip), affine)
        found, _ = reach(root, "--plane", "axial")
        for metric in ("dice", "hd95"):
            assert found["metrics"][metric] == pytest.approx(wanted["metrics"][metric], abs=1e-6)


def test_volumes_of_one_slice(reach: Any, tmp_path: Path) -> None:
    found, _ = reach(volumes(tmp_path / "d", depth=1))
    assert found["metrics"]["dice"] > 0.6
    assert np.isfinite(found["metrics"]["hd95"])


def test_a_mask_of_three_axes_on_an_image_of_four(reach: Any, tmp_path: Path) -> None:
    root = volumes(tmp_path / "d")
    for i in range(ITEMS):
        image, _ = drawn(i)
        both = np.stack([np.zeros_like(image), image], -1)
        volume(root / "images" / f"c{i:02d}.nii.gz", both)
    found, _ = reach(root, "--channel", 1)
    assert found["metrics"]["dice"] > 0.6


def pictures(root: Path, kind: str) -> Path:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    for i in range(ITEMS):
        image, mask = (a[..., 0] for a in drawn(i, 1, 3))
        for name in ("images", "masks"):
            (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(root / f"images/{i}.png")
        if kind == "rgb":
            made = Image.fromarray(colours[mask])
        else:
            made = Image.fromarray(mask)
            if kind == "palette":
                made = made.convert("P")
                made.putdata(mask.ravel().tolist())
                made.putpalette(colours.ravel().tolist())
        made.save(root / f"masks/{i}.png")
    return root


def test_colours_palettes_and_grey_are_the_same_masks(reach: Any, tmp_path: Path) -> None:
    found = {k: reach(pictures(tmp_path / k, k))[0] for k in ("grey", "rgb", "palette")}
    values = {k: sorted(v for n, v in r["metrics"].items() if n.startswith("dice:"))
              for k, r in found.items()}  # fmt: skip
    assert len(values["grey"]) == 2
    assert min(values["grey"]) > 0.4
    assert values["rgb"] == pytest.approx(values["grey"], abs=0.02)  # blue comes before red
    assert values["palette"] == pytest.approx(values["grey"])


def test_labels_that_overlap_are_scored_each_for_itself(reach: Any, tmp_path: Path) -> None:
    root = tmp_path / "d"
    for i in range(ITEMS):
        image, mask = drawn(i)
        inner = mask.copy()
        inner[:5] = 0
        volume(root / "images" / f"c{i:02d}.nii.gz", image)
        volume(root / "whole" / f"c{i:02d}.nii.gz", mask)
        volume(root / "part" / f"c{i:02d}.nii.gz", inner)
    where = ("--masks", f"organ={root / 'whole'}", f"tumour={root / 'part'}")
    found, _ = reach(root / "images", *where)
    assert found["classes"] == 2
    assert found["metrics"]["dice:organ"] > 0.6
    assert found["metrics"]["dice:tumour"] > 0.5
    assert {n for n in found["metrics"] if n.startswith("dice:")} == {"dice:organ", "dice:tumour"}


def test_empty_masks_are_items_like_others(reach: Any, tmp_path: Path) -> None:
    root = volumes(tmp_path / "d")
    for i in range(0, ITEMS, 2):
        volume(root / "labels" / f"c{i:02d}.nii.gz", np.zeros((SIDE, SIDE, 3), np.uint8))
    found, err = reach(root)
    assert 0 <= found["metrics"]["dice"] <= 1
    assert found["sizes"]["train"] + found["sizes"]["val"] + found["sizes"]["test"] == ITEMS
    for file in (root / "labels").iterdir():
        volume(file, np.zeros((SIDE, SIDE, 3), np.uint8))
    found, err = reach(root)
    assert found["code"] == 2
    assert "every mask is background" in err or "of one class only" in err


def test_a_class_that_a_part_lacks(reach: Any, tmp_path: Path) -> None:
    root = volumes(tmp_path / "d", classes=3)
    parts = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    for i, part in enumerate(parts):
        _, mask = drawn(i, classes=3)
        if part == "test":
            mask[mask == 2] = 0
        volume(root / "labels" / f"c{i:02d}.nii.gz", mask)
    rows = "".join(f"images/c{i:02d}.nii.gz,{p}\n" for i, p in enumerate(parts))
    (tmp_path / "s.csv").write_text("id,split\n" + rows)
    found, err = reach(root, "--split", tmp_path / "s.csv")
    assert "no test item has 2: any voxel of it is an error" in err
    assert found["class_sizes"]["2"]["items"] == 0


def test_images_without_masks_and_masks_without_images(reach: Any, tmp_path: Path) -> None:
    root = volumes(tmp_path / "d", items=ITEMS + 2)
    (root / "labels" / "c00.nii.gz").unlink()
    (root / "images" / "c01.nii.gz").unlink()
    found, err = reach(root)
    assert found["sizes"]["train"] + found["sizes"]["val"] + found["sizes"]["test"] == ITEMS
    assert "1 items without a mask are not used" in err


@pytest.mark.parametrize("what", ["shape", "affine", "label", "text"])
def test_a_mask_that_is_wrong_is_one_line_with_its_name(
    reach: Any, tmp_path: Path, what: str
) -> None:
    root = volumes(tmp_path / "d")
    file, (_, mask) = root / "labels" / "c03.nii.gz", drawn(3)
    if what == "shape":
        volume(file, mask[:-2])
    elif what == "affine":
        volume(file, mask, PLAIN + np.diag([0, 0, 0.5, 0]))
    elif what == "label":
        mask[0, 0, 0] = 9
        volume(file, mask)
    else:
        file.write_text("no mask")
    names = ("--mask-classes", "background=0", "box=1")
    found, err = reach(root, *names)
    assert found["code"] == 2
    assert "c03.nii.gz" in err
    told = {"shape": "shape", "affine": "", "label": "9", "text": ""}[what]
    assert told in err.splitlines()[-1]
