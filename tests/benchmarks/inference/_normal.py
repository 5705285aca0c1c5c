"""Two classes of normal features, whose linear scores have a known AUROC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import ndtr

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.intervals import intervals
from featprobe.stats.mean_over_tries import over_draws, over_training
from featprobe.stats.resampling import bootstrap

WIDTH, RESAMPLES = 12, 200


def centre(apart: float) -> np.ndarray:
    """(D,) half the way between the classes' means: a third of the features tell them apart."""
    return np.where(np.arange(WIDTH) < 4, apart, 0.0)


def sample(
    rng: np.random.Generator, patients: int, each: int, apart: float, within: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, D) of variance 1, a share ``within`` of which images of a patient have in
    common, classes (N,) that alternate between patients, and patients (N,)."""
    groups = np.repeat(np.arange(patients), each)
    y = groups % 2
    common = rng.normal(size=(patients, WIDTH))[groups] * np.sqrt(within)
    x = common + rng.normal(size=(len(y), WIDTH)) * np.sqrt(1 - within)
    return x + np.where(y[:, None] == 1, 1, -1) * centre(apart), y, groups


def area(w: np.ndarray, apart: float) -> float:
    """AUROC of the score ``x @ w`` among new patients."""
    return float(ndtr(np.sqrt(2) * (w @ centre(apart)) / np.linalg.norm(w)))


def nearest_mean(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(D,) from one class's mean to the other's."""
    return x[y == 1].mean(0) - x[y == 0].mean(0)


def discriminant(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(D,) Fisher's discriminant, slightly ridged."""
    within = np.cov((x - np.stack([x[y == 0].mean(0), x[y == 1].mean(0)])[y]).T)
    return np.linalg.solve(within + 0.1 * np.eye(WIDTH), nearest_mean(x, y))


def scores(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(N, 2) probabilities in the order of ``x @ w``."""
    p = 1 / (1 + np.exp(-(x @ w)))
    return np.stack([1 - p, p], axis=1)


def interval(
    y: np.ndarray, groups: np.ndarray, tries: Sequence[np.ndarray], rows: Sequence | None,
    shared: float | None, seed: int,
) -> tuple[tuple[float, float], tuple[float, float]]:  # fmt: skip
    """The AUROC's interval under new patients, and that over tries too."""
    scored = ItemScores(
        "multiclass", np.arange(len(y)).astype(str), y, groups.astype(str), tries, rows
    )
    values = scored.values(["auroc"])
    mean = scored.mean(["auroc"])
    boot = bootstrap(scored, wanted=["auroc"], resamples=RESAMPLES, seed=seed)
    alone = intervals(scored, mean, boot)
    if shared is None:
        both = over_draws(scored, alone, mean, values, boot)
    else:
        both = over_training(scored, alone, mean, values, boot, shared)
    return alone.ci["auroc"], both.ci["auroc"]


def holds(ends: tuple[float, float], truth: float) -> bool:
    """Whether it is between them; an interval that is not there does not hold."""
    return ends[0] <= truth <= ends[1]


def seeds(runs: int) -> Iterator[np.random.Generator]:
    """One generator a simulated study."""
    for run in range(runs):
        yield np.random.default_rng([run, 0xF5])
