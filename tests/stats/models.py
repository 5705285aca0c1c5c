"""Simulated models that score the same items: correlated, of patients, equal or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.metrics.item_scores import ItemScores


def models(
    rng: np.random.Generator, count: int, patients: int, each: int = 1, *, task: str = "multiclass",
    gain: float = 0.7, better: Sequence[float] = (), tries: int = 1, apart: float = 0.0,
    prevalence: float = 0.4,
) -> list[ItemScores]:  # fmt: skip
    """``count`` models of which half of the noise is common, and half of that the patient's.

    ``better``: what the first ones have more than ``gain``. ``apart``: standard deviation, over
    ``tries`` and models, of how good a draw is.
    """
    n, group = patients * each, np.repeat(np.arange(patients), each)
    common = rng.normal(size=patients)[group] + rng.normal(size=n)
    gains = gain + np.r_[better, np.zeros(count - len(better))]
    grades = 4 if task == "ordinal" else 2
    y = rng.integers(0, 4, n) if grades == 4 else (rng.random(n) < prevalence).astype(int)
    y[:grades] = np.arange(grades)
    out = []
    for g in gains:
        drawn = []
        for shift in g + apart * rng.normal(size=tries):
            noise = 0.5 * common + np.sqrt(0.5) * rng.normal(size=n)
            if grades == 4:
                seen = 1.5 * shift * y + noise
                drawn.append(-np.abs(seen[:, None] - 1.5 * g * np.arange(4)))
                continue
            second = 1 / (1 + np.exp(-(2 * y - 1) * shift - noise))
            drawn.append(np.stack([1 - second, second], axis=1))
        ids, code = np.arange(n).astype(str), group.astype(str)
        names = ("no", "yes") if grades == 2 else ("0", "1", "2", "3")
        out.append(ItemScores(task, ids, y, code, drawn, classes=names))
    return out
