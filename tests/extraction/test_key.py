"""What an extraction is asked for is in the key of its store, not only in the key's definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from featprobe.datasets.load import load_dataset
from featprobe.extraction.local import extract
from tests.conftest import make_tiny

PREPROCESS = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.4, 0.3), "resize": 40,
              "interpolation": "bilinear"}  # fmt: skip


def store_of(folder: Path, recipe: dict | None = None, preprocess: dict | None = None,
             **options: object) -> Path:  # fmt: skip
    backbone = make_tiny()
    backbone = replace(backbone, preprocess=replace(backbone.preprocess, **(preprocess or {})))
    data = load_dataset(folder, **(recipe or {}))
    return Path(str(extract(backbone, data, workers=0, **options).store.path))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", PREPROCESS)
def test_preprocessing(name: str, class_folders: Path) -> None:
    plain = store_of(class_folders)
    assert store_of(class_folders, preprocess={name: PREPROCESS[name]}) != plain
    assert store_of(class_folders) == plain


@pytest.mark.slow
def test_precision_type_outputs_and_recipe(class_folders: Path) -> None:
    stores = [
        store_of(class_folders),
        store_of(class_folders, precision="bf16"),
        store_of(class_folders, dtype="float32"),
        store_of(class_folders, features=["cls:2"]),
        store_of(class_folders, recipe={"intensity": "minmax"}),
    ]
    assert len(set(stores)) == len(stores)
