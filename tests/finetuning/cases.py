"""Small data sets and settings that trainings of these tests share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import featprobe as fp
from featprobe.datasets.base import ArraySource
from featprobe.finetuning.recipes.named import make_recipe
from featprobe.finetuning.run import finetune
from featprobe.finetuning.settings import Training

QUICK = {"epochs": 3, "batch": 8, "lr": 1e-3, "head_lr": 1e-2}


def pictures(
    n: int = 60, frames: int = 0, classes: int = 2, labels: int = 0, seed: int = 0,
    noise: float = 60.0, **fields: Any,
) -> fp.Dataset:  # fmt: skip
    """``n`` noisy pictures of 28 pixels, or volumes of so many frames, brighter in one part.

    ``labels``: as many independent labels instead of classes, a tenth of them unknown.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    shape = (n, frames, 28, 28) if frames else (n, 28, 28)
    x = rng.normal(100, noise, shape)
    for i in range(n):
        x[i, ..., 7 * y[i] : 7 * y[i] + 10, :] += 60
    targets: Any = y
    task, names = "multiclass", [f"class{c}" for c in range(classes)]
    if labels:
        targets = np.stack([(y == k % classes).astype(float) for k in range(labels)], 1)
        targets[rng.random(targets.shape) < 0.1] = np.nan
        task, names = "multilabel", [f"label{k}" for k in range(labels)]
    given: dict[str, Any] = {
        "targets": targets, "task": task, "classes": tuple(names),
        "ids": np.array([f"item{i:03d}" for i in range(n)]),
    }  # fmt: skip
    given |= fields
    groups = given.pop("groups", given["ids"])
    return fp.Dataset(
        "pictures", source=ArraySource([x.clip(0, 255).astype(np.uint8)]), groups=groups,
        split=np.full(n, "", dtype="<U5"), **given,
    )  # fmt: skip


def trained(
    backbone: Any, data: fp.Dataset, recipe: str = "full", options: dict[str, Any] | None = None,
    lrs: Sequence[float] = (), subset: float = 1.0, training: dict[str, Any] | None = None,
    **more: Any,
) -> Any:  # fmt: skip
    """The Result of a quick training on the CPU."""
    settings = Training(**{**QUICK, **(training or {})})
    (result,) = finetune(
        backbone, data, make_recipe(recipe, **(options or {})), settings, lrs=lrs, subset=subset,
        device="cpu", workers=0, resamples=20, **more,
    )  # fmt: skip
    return result
