"""Temperature scaling (Guo et al. 2017): one number that makes probabilities say how sure they are.

Of class probabilities p the logits are log p, of independent labels log p - log(1 - p); both are
divided by T. T > 1 makes scores less sure. No decision changes between classes, and no order of
samples within a label.
"""

from __future__ import annotations

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.numeric import sigmoid, softmax
from featprobe.probes.selection import log_loss

RANGE = (0.02, 50.0)  # of temperatures looked at
_SMALL, _LARGE = np.finfo(float).tiny, 1 - np.finfo(float).epsneg


def temperature(scores: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> float:
    """The T with the least mean negative log-likelihood on held-out items.

    ``scores`` (N, C) probabilities; ``y`` int (N,) classes, or float (N, C) of 0, 1 and NaN
    (unknown), all labels together. Never worse than T = 1, which is the answer too where nothing is
    known. ``groups`` (N,), patients: T counts only where it lowers the loss by more than the
    standard error of that difference over patients, else it is 1. Of few patients another T fits by
    chance, and would make scores worse that are calibrated already.

    Raises :class:`InputError` for scores that are no probabilities.
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
    t = float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0
    return t if groups is None or _convinces(scores, y, t, groups) else 1.0


def at_bound(t: float) -> bool:
    """Whether a temperature is the end of :data:`RANGE`, beyond which it might have gone on."""
    return not RANGE[0] * 1.01 < t < RANGE[1] / 1.01


def _convinces(scores: np.ndarray, y: np.ndarray, t: float, groups: np.ndarray) -> bool:
    """Whether the mean fall of the loss is above its standard error, a ratio of sums over patients
    (Cochran 1977, *Sampling Techniques*, section 2.11)."""
    labels = y.ndim == 2
    fall = _losses(scores, y) - _losses(_at(scores, t, labels), y)
    count = (~np.isnan(y)).sum(1) if labels else np.ones(len(y))
    code = np.unique(groups, return_inverse=True)[1]
    falls, counts = np.bincount(code, fall), np.bincount(code, count)
    mean, patients = falls.sum() / counts.sum(), len(falls)
    if patients < 2:
        return False
    spread = ((falls - mean * counts) ** 2).sum() * patients / (patients - 1)
    return bool(mean > np.sqrt(spread) / counts.sum())


def _losses(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N,) negative log-likelihood of each item, of its known labels together."""
    q = np.clip(p, 1e-12, 1 - 1e-12)
    if y.ndim == 1:
        return -np.log(q[np.arange(len(y)), y])
    return np.where(np.isnan(y), 0.0, -np.log(np.where(y == 1, q, 1 - q))).sum(1)


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
        return sigmoid((np.log(p) - np.log1p(-p)) / t)
    return softmax(np.log(p) / t)


def _checked(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InputError("scores to be calibrated must be probabilities, between 0 and 1")
    return scores
