"""Fine-tuning on real images with the backbone of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.leaderboard.compare import compare
from tests.finetuning.cases import trained


@pytest.fixture(scope="module")
def films(real_data: Path) -> fp.Dataset:
    return fp.load_dataset(real_data / "nih_cxr")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")  # frames are decoded once for all tests


def real(films: fp.Dataset, place: Path, recipe: str, **training) -> fp.Result:
    backbone = fp.load_backbone("tiny_vit14", image_size=56)
    given = {"lr": None, "head_lr": 1e-2, "batch": 20, **training}
    return trained(backbone, films, recipe, training=given, cache=place)


@pytest.mark.slow
def test_frozen_and_linear_do_not_differ_on_chest_films(films: fp.Dataset, place: Path) -> None:
    frozen = real(films, place, "frozen", epochs=30, weight_decay=0.0)
    backbone = fp.load_backbone("tiny_vit14", image_size=56)
    features = fp.extract(backbone, films, cache=place)
    (linear,) = fp.evaluate(features, "logistic", fp.Full(refit=False), save=True, cache=place)
    assert frozen.split["digest"] == linear.split["digest"]
    assert frozen.split["groups"]["test"] == linear.sizes["test_groups"]
    ((found,), left_aside) = compare(place, [frozen, linear], between="all", against="linear")
    assert not left_aside
    assert found.low <= 0 <= found.high
    assert found.p > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["full", "lora", "vpt", "block-expansion"])
def test_training_goes_down_on_chest_films(films: fp.Dataset, place: Path, recipe: str) -> None:
    result = real(films, place, recipe, epochs=5)
    losses = [e["loss"] for e in result.provenance["history"]]
    assert losses[-1] < losses[0]
    assert result.sizes["test_groups"] == 33  # of the second version of splits


def test_volumes_without_labels_are_told(real_data: Path, place: Path) -> None:
    volumes = fp.load_dataset(real_data / "hippocampus" / "images", frames="n=2")
    with pytest.raises(InputError, match="no labels"):
        real(volumes, place, "bitfit")
