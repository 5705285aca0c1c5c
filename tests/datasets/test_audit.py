"""The audit finds what was planted, and nothing in a clean set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

import featprobe as fp
from featprobe.datasets.audit import alike, audit


def test_a_clean_set_has_no_findings(class_folders: Path) -> None:
    found = audit(fp.load_dataset(class_folders))
    assert found.problems == 0
    assert found.files == {"read": 40, "unreadable": 0}
    assert found.counts == {"normal": {"(no split)": 20}, "sick": {"(no split)": 20}}
    assert found.patients == 20
    json.dumps(found.to_dict(), allow_nan=False)


def plant(folder: Path) -> None:
    """One of each kind of finding."""
    shutil.copy(folder / "sick" / "sick00_0.png", folder / "normal" / "copy90_0.png")
    Image.open(folder / "sick" / "sick01_0.png").save(folder / "sick" / "sick01_7.tif")
    Image.fromarray(np.full((40, 36), 5, np.uint8)).save(folder / "sick" / "flat91_0.png")
    (folder / "sick" / "cut92_0.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    shutil.copy(folder / "sick" / "sick03_0.png", folder / "normal" / "sick03_9.png")
    (folder / "readme.md").write_text("not an image")
    (folder / "Sick_").mkdir()
    noise = np.random.default_rng(5).integers(0, 255, (40, 36), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "Sick_" / "other93_0.png")


def test_what_is_planted_is_found(class_folders: Path) -> None:
    plant(class_folders)
    found = audit(fp.load_dataset(class_folders))
    assert found.files == {"read": 45, "unreadable": 1, "skipped: not an image (.md)": 1}
    assert list(found.unreadable) == ["sick/cut92_0.png"]
    assert found.constant == ["sick/flat91_0.png"]
    assert found.patients_in_classes == {"sick03": ["normal", "sick"]}
    assert found.alike_labels == [("Sick_", "sick")]
    assert sorted(map(sorted, found.duplicates)) == [
        ["normal/copy90_0.png", "sick/sick00_0.png"],
        ["normal/sick03_9.png", "sick/sick03_0.png"],
        ["sick/sick01_0.png", "sick/sick01_7.tif"],
    ]
    leaking = sorted(map(sorted, found.leaking))
    assert leaking == [
        d for d in sorted(map(sorted, found.duplicates)) if "sick/sick01_7.tif" not in d
    ]


def test_patients_across_official_splits_are_found(class_folders: Path, tmp_path: Path) -> None:
    root = tmp_path / "split"
    for part in ("train", "test"):
        shutil.copytree(class_folders, root / part)
    data = fp.load_dataset(root)
    found = audit(data)
    assert len(found.patients_in_splits) == 20
    assert set(map(tuple, found.patients_in_splits.values())) == {("test", "train")}
    assert len(found.leaking) == 40


def test_an_odd_size_among_many_equal_ones_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(120):
        shape = (10, 9) if i == 50 else (8, 8)
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(tmp_path / f"{i}.png")
    assert audit(fp.load_dataset(tmp_path)).odd_sizes == {"50.png": "10 x 9"}


def test_labels_look_alike_by_case_spacing_or_a_letter_but_not_by_number() -> None:
    names = ["Pneumonia", "pneumonia ", "Pneumothorax", "grade 1", "grade 2", "Effusion", "Edema"]
    assert alike(names) == [("Pneumonia", "pneumonia ")]
    assert alike(["Emphysema", "Emphysemia"]) == [("Emphysema", "Emphysemia")]
    assert alike(["grade 1", "grade 2"]) == []
