"""Checkpoints of other projects, rebuilt from their key names and a recipe for the values."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent.parent / "golden" / "checkpoints"


def fill(shapes: Mapping[str, Any], seed: int) -> dict[str, np.ndarray]:
    """Values under which every tensor matters: norms near 1, positive variances, wide gates."""
    return {
        key: _values(key, tuple(shapes[key]), np.random.default_rng([seed, i]))
        for i, key in enumerate(sorted(shapes))
    }


def _values(key: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    name = key.rpartition(".")[2]
    if name == "num_batches_tracked":
        return np.array(7, np.int64)
    if name == "running_var":
        x = rng.uniform(0.5, 1.5, shape)
    elif "gamma" in name:
        x = rng.uniform(0.5, 1, shape)
    elif name == "weight" and len(shape) == 1:
        x = rng.normal(1, 0.1, shape)
    elif name == "weight":
        x = rng.normal(0, float(np.prod(shape[1:])) ** -0.5, shape)
    elif name in ("bias", "running_mean"):
        x = rng.normal(0, 0.1, shape)
    else:  # tokens and positions
        x = rng.normal(0, 0.5, shape)
    return x.astype(np.float32)


def frames(height: int, width: int, seed: int) -> np.ndarray:
    """Two normalised frames (2, 3, H, W)."""
    return np.random.default_rng([seed, height, width]).normal(0, 1, (2, 3, height, width)).astype(
        np.float32
    )  # fmt: skip


def read(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(recipe, outputs of the original code) of one golden."""
    recipe = json.loads((FOLDER / f"{name}.json").read_text())
    with np.load(FOLDER / f"{name}.npz") as z:
        return recipe, dict(z)


def contents(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What the original code saved: tensors nested as ``a/b`` in the key names says, and settings.

    Raises if numpy's generator no longer draws what it drew when the golden was made.
    """
    values = fill(recipe["keys"], recipe["seed"])
    total = sum(float(np.abs(v.astype(np.float64)).sum()) for v in values.values())
    assert abs(total - recipe["check"]) < 1e-2, "numpy draws other numbers"
    content: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split("/")
        place = content
        for part in path:
            place = place.setdefault(part, {})
        place[last] = torch.from_numpy(value)
    settings = dict(recipe.get("settings", {}))
    if "args" in settings:
        settings["args"] = argparse.Namespace(**settings["args"])
    return content | settings


def folder(recipe: Mapping[str, Any], path: Path) -> Path:
    """A transformers folder of the small architecture, without weights."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(recipe["config"]))
    height, width = recipe["sizes"][0]
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": height, "width": width},
    }
    (path / "preprocessor_config.json").write_text(json.dumps(processor))
    return path


def names() -> list[str]:
    """All goldens."""
    return sorted(p.stem for p in FOLDER.glob("*.json"))
