"""Checkpoints of other projects, rebuilt from their key names and a recipe for the values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
