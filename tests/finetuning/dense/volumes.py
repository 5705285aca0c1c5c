"""Volumes with a box that is brighter than the rest, and its mask."""

from __future__ import annotations

from typing import Any

import numpy as np

import featprobe as fp
from featprobe.datasets.base import Dataset
from featprobe.finetuning.recipes.named import make_recipe

QUICK: dict[str, Any] = {"epochs": 3, "batch": 8, "lr": 1e-3, "head_lr": 1e-2}


def boxes(
    n: int = 12, frames: int = 3, side: int = 28, seed: int = 0, noise: float = 5.0, **more: Any
) -> Dataset:  # fmt: skip
    """``n`` volumes of so many frames of ``side`` pixels with a box anywhere."""
    rng = np.random.default_rng(seed)
    x = rng.normal(100, noise, (n, frames, side, side))
    y = np.zeros(x.shape, np.uint8)
    for i in range(n):
        top, left = rng.integers(0, side // 2, 2)
        y[i, :, top : top + side // 2, left : left + side // 2] = 1
    x[y == 1] += 80
    return Dataset.from_arrays(
        x.clip(0, 255).astype(np.uint8), masks=y, volumes=True, name="boxes", **more
    )


def tuned(
    backbone: Any, data: Dataset, recipe: str = "full", options: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None, decoder: Any = "linear", asked: Any = None, **more: Any,
) -> Any:  # fmt: skip
    """The Result of a quick training on the CPU."""
    settings = fp.Training(**{**QUICK, **(training or {})})
    (result,) = fp.finetune(
        backbone, data, make_recipe(recipe, **(options or {})), settings, device="cpu", workers=0,
        resamples=20, segmentation=asked or fp.Segmentation(decoder), **more,
    )  # fmt: skip
    return result
