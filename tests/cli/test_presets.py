"""Presets of every verb on backbones without CLS, from pixels to the view in the result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from featprobe.backbones.load import load_backbone
from featprobe.cli.feature_sets import cached_sets
from featprobe.datasets.base import Dataset
from featprobe.extraction.local import extract
from featprobe.features.feature_set import FeatureSet
from featprobe.leaderboard.probe_request import make_probe_request
from tests.backbones.test_families import MAPS, SAM, SWIN, TOKENS, saved, small

BACKBONES = {  # name: model type and configuration, input
    "cnn": ("resnet", MAPS["resnet"], 32),
    "swin": ("swin", {**SWIN, "patch_size": 4}, 32),
    "seem": ("focalnet", MAPS["focalnet"], 32),
    "sam": ("sam_vision_model", SAM, 64),
    "vit": ("vit", {**TOKENS["vit"], "num_hidden_layers": 4}, 32),
    "ijepa": ("ijepa", TOKENS["ijepa"], 32),
}
OUTPUTS = ("cls", "mean", "neck", "projection")
VIEWS = {
    "rad-linear": {"cnn": "mean", "swin": "mean", "seem": "mean", "sam": "mean", "ijepa": "mean"},
    "wacv-linear": {"cnn": "mean", "seem": "mean", "sam": "mean", "vit": "cls", "ijepa": "mean"},
    "medmnist-linear": {"cnn": "mean", "sam": "neck", "vit": "cls", "swin": "mean"},
    "dinov2-linear": {"cnn": "mean", "sam": "mean", "seem": "mean"},
    "freeze": {"cnn": "mean", "swin": "mean"},
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of small films under every backbone."""
    root = tmp_path_factory.mktemp("presets")
    draw = np.random.default_rng(0)
    y = np.arange(36) % 2
    x = draw.integers(0, 200, (36, 64, 64)) + 40 * y[:, None, None]
    split = ["train", "val", "test"] * 12
    data = Dataset.from_arrays(x.astype(np.uint8), y, split=split, name="films")
    for name, (kind, config, size) in BACKBONES.items():
        backbone = load_backbone(saved(root / name, small(kind, config), size))
        backbone.name = name
        has = [n for n in OUTPUTS if n in backbone.outputs]
        extract(backbone, data, cache=root / "cache", features=has, workers=0)
    return root / "cache"


@pytest.mark.parametrize("preset", VIEWS)
def test_linear_presets_run_on_all(preset: str, cache: Path, run) -> None:
    length = ["--set", "iterations=2"] if preset == "dinov2-linear" else ["--set", "epochs=1"]
    code, out, err = run(
        "linear", "--preset", preset, *length, "--cache", cache, "--json", "--resamples", 10
    )
    assert code == 0, err
    found = {r["backbone"]: r for r in map(json.loads, out.splitlines())}
    assert VIEWS[preset].items() <= {n: r["view"] for n, r in found.items()}.items()
    if preset == "freeze":
        assert found["cnn"]["probe"] == "sgd"
        assert "freeze reads logits, which vit does not have" in err
        assert set(BACKBONES) - set(found) == {"vit"}
    else:
        assert set(found) == set(BACKBONES)


@pytest.mark.parametrize(
    ("preset", "views"),
    [("dinov2", {"sam": "mean", "vit": "cls"}), ("rad", {"cnn": "mean"}),
     ("wacv", {"seem": "mean"}), ("medmnist", {"sam": "neck", "cnn": "mean"})],
)  # fmt: skip
def test_knn_presets_run_on_all(preset: str, views: dict[str, str], cache: Path, run) -> None:
    code, out, err = run(
        "knn", "--preset", preset, "--k", 3, "--cache", cache, "--json", "--resamples", 10
    )
    assert code == 0, err
    found = {r["backbone"]: r["view"] for r in map(json.loads, out.splitlines())}
    assert set(found) == set(BACKBONES)
    assert views.items() <= found.items()


@pytest.mark.parametrize(
    ("preset", "probe", "views"),
    [("rad-linear", "sgd", {"cnn": "mean", "sam": "mean"}), ("dinov2-knn", "knn", {"vit": "cls"}),
     ("medmnist-knn", "knn", {"sam": "neck"})],
)  # fmt: skip
def test_few_shots_take_the_presets_of_all_verbs(
    preset: str, probe: str, views: dict[str, str], cache: Path, run
) -> None:
    short = ["--set", "epochs=1"] if probe == "sgd" else ["--set", "k=[3,5]"]
    code, out, err = run(
        "fewshot", "--preset", preset, *short, "--shots", 4, "--tries", 2, "--model", *views,
        "--cache", cache, "--json", "--resamples", 10,
    )  # fmt: skip
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert {r["backbone"]: r["view"].split("/")[0] for r in rows} == views
    assert {(r["probe"], r["settings"]["choose"]) for r in rows} == {(probe, True)}


def test_features_come_before_a_presets_views(cache: Path, run) -> None:
    line = "knn --preset medmnist --k 3 --model sam --features mean --json --resamples 10"
    code, out, err = run(*line.split(), "--cache", cache)
    assert code == 0, err
    assert json.loads(out)["view"] == "mean"


def test_a_leaderboard_has_the_same_views(cache: Path) -> None:
    entry = make_probe_request({"preset": "freeze", "seed": 3}, "probes[0]")
    assert entry.choices == 1
    stores = cached_sets(["films"], ["cnn"], str(cache))
    made = entry.seeded(7).on(FeatureSet(stores[0]))
    assert (made.name, made.get_params()["seed"]) == ("sgd", 3)
    assert entry.on(FeatureSet.from_arrays({"cls": np.eye(2), "logits": np.eye(2)})).name == "mlp"
