"""Intervals from a patient-clustered bootstrap of per-sample scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from featprobe import metrics
from featprobe.threads import one_blas_thread

RESAMPLES = 1000
_BLOCK = 4_000_000  # values of a weight block: 32 MB


def cluster_weights(
    groups: np.ndarray, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Blocks (b, N) of how often each sample is drawn when whole groups are resampled.

    Groups are drawn with replacement, as many as there are (Davison and Hinkley 1997, section 3.8),
    so samples of one patient stay together.
    """
    _, code = np.unique(groups, return_inverse=True)
    n = int(code.max()) + 1
    block = max(1, _BLOCK // len(groups))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        yield rng.multinomial(n, np.full(n, 1 / n), size=size)[:, code]


def bootstrap(
    task: str,
    y: np.ndarray,
    scores: Sequence[np.ndarray],
    groups: np.ndarray,
    *,
    rows: Sequence[np.ndarray] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Metric values (resamples,) of the mean over ``scores``.

    ``scores`` holds one (N, C) array, or one for each try of a few-shot run: every resample of
    patients is applied to all tries and the metric averaged, so that the interval speaks of new
    patients and not of new draws. ``rows``: the positions that each of them is of, for the folds of
    a cross-validation; by default all N.
    """
    rng = np.random.default_rng([seed, 0xB007])
    together = None if rows is not None else np.stack(scores)
    parts: dict[str, list[np.ndarray]] = {}
    with one_blas_thread():
        for weights in cluster_weights(groups, resamples, rng):
            if together is not None:
                values = metrics.compute(task, y, together, weights)
            else:
                folds = [
                    metrics.compute(task, y[r], p, weights[:, r])
                    for r, p in zip(rows or (), scores)
                ]
                values = {name: nan_mean([f[name] for f in folds]) for name in folds[0]}
            for name, value in values.items():
                parts.setdefault(name, []).append(value)
    return {name: np.concatenate(values) for name, values in parts.items()}


def nan_mean(values: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over a list of (B,) arrays, of the defined ones; NaN where there is none.

    A fold whose resample lost a class has no AUROC; the mean is then over the other folds.
    """
    stacked = np.stack(values)
    defined = ~np.isnan(stacked)
    count = defined.sum(0)
    total = np.where(defined, stacked, 0).sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values; resamples without a defined value are left out."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
