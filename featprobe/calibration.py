"""Temperature scaling (Guo et al. 2017): one number that makes probabilities say how sure they are.

Of class probabilities p the logits are log p, of independent labels log p - log(1 - p); both are
divided by T. T > 1 makes scores less sure. No decision changes between classes, and no order of
samples within a label.
"""

from __future__ import annotations

import numpy as np

from featprobe.errors import InputError
from featprobe.selection import log_loss

RANGE = (0.02, 50.0)  # of temperatures looked at
_SMALL, _LARGE = np.finfo(float).tiny, 1 - np.finfo(float).epsneg


def temperature(scores: np.ndarray, y: np.ndarray) -> float:
    """The T with the least mean negative log-likelihood on held-out items.

    ``scores`` (N, C) probabilities; ``y`` int (N,) classes, or float (N, C) of 0, 1 and NaN
    (unknown), all labels together. Never worse than T = 1, which is the answer too where nothing is
    known. Raises :class:`InputError` for scores that are no probabilities.
    """
    from scipy.optimize import minimize_scalar

    scores = _checked(scores)
    if not len(y) or (y.ndim == 2 and np.isnan(y).all()):
        return 1.0

    def loss(log_t: float) -> float:
        return log_loss(_at(scores, float(np.exp(log_t)), y.ndim == 2), y)

    grid = np.linspace(np.log(RANGE[0]), np.log(RANGE[1]), 25)
    best = int(np.argmin([loss(t) for t in grid]))
    around = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    found = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def tempered(scores: np.ndarray, t: float, labels: bool = False) -> np.ndarray:
    """Probabilities (..., C) at temperature T; ``labels``: they are independent, not of classes.

    Raises :class:`InputError` for a T that is not positive, or scores that are no probabilities.
    """
    if not 0 < t < np.inf:
        raise InputError(f"a temperature must be positive and finite, not {t}")
    return _at(_checked(scores), t, labels)


def _at(scores: np.ndarray, t: float, labels: bool) -> np.ndarray:
    p = np.clip(scores, _SMALL, _LARGE)
    if labels:
        return 0.5 * (1 + np.tanh((np.log(p) - np.log1p(-p)) / (2 * t)))
    z = np.log(p) / t
    q = np.exp(z - z.max(-1, keepdims=True))
    return q / q.sum(-1, keepdims=True)


def _checked(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InputError("scores to be calibrated must be probabilities, between 0 and 1")
    return scores
