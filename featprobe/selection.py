"""Which candidate validation data prefer."""

from __future__ import annotations

import numpy as np

from featprobe import metrics


def best_candidate(scores: np.ndarray, y: np.ndarray) -> int:
    """Index of the best of (G, N, C) scores; see :func:`merit`, equals go to the first."""
    merits = [merit(p, y) for p in scores]
    return max(range(len(merits)), key=merits.__getitem__)


def merit(p: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """What scores (N, C) are compared by: macro AUROC to six digits, then minus the log-loss.

    Where no AUROC is defined (one class in ``y``) the log-loss alone decides; of values (N,)
    minus the mean squared error does. Scores that are not finite are worse than all others.
    """
    if not np.isfinite(p).all():
        return -np.inf, -np.inf
    if y.ndim == 1 and y.dtype.kind == "f":
        return 0.0, -float(np.mean((p[:, 0] - y) ** 2))
    area = metrics.macro_auroc(y, p)
    return -1.0 if np.isnan(area) else round(area, 6), -log_loss(p, y)


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    """Mean negative log-likelihood of classes, or of known independent labels."""
    q = np.clip(p, 1e-12, 1 - 1e-12)
    if y.ndim == 1:
        return float(-np.log(q[np.arange(len(y)), y]).mean())
    known = ~np.isnan(y)
    return float(-np.log(np.where(y == 1, q, 1 - q))[known].mean())
