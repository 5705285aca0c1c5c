"""Results of several weak backbones on the same items, kept in the cache of a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import featprobe as fp
from featprobe.evaluation.results import Result

N = 120


def features(seed: int = 0, task: str = "multiclass", **changes):
    """Weak features of one of several backbones on the same items; an official split."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(99)
    y = np.arange(N) // 2 % 3
    if task == "multilabel":
        y = truth.integers(0, 2, (N, 3)).astype(float)
        y[::17, 1] = np.nan
    elif task == "regression":
        y = truth.normal(50, 9, N)
    signal = np.nan_to_num(y.reshape(N, -1) - np.nanmean(y, axis=0))
    x = rng.normal(size=(N, 6))
    x[:, : signal.shape[1]] += 0.6 * signal / signal.std()
    given = {
        "y": y, "groups": np.arange(N) // 2, "task": task, "dataset": "films",
        "split": np.array(["train", "val", "test"])[np.arange(N) // 6 % 3],
        "classes": ("a", "b", "c") if task != "regression" else (), "backbone": f"net{seed}",
    } | changes  # fmt: skip
    return fp.FeatureSet.from_arrays({"cls": x}, **given)


def probed(cache: Path, seeds=(0, 1, 2), protocol=None, probe=None, **options) -> list[Result]:
    out: list[Result] = []
    for seed in seeds:
        out += fp.evaluate(
            features(seed, **options), probe or fp.LogisticProbe(1.0), protocol or "full",
            resamples=50, save=True, cache=cache,
        )  # fmt: skip
    return out
