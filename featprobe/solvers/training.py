"""What every training by gradient steps shares: rows, batches, and what is trained towards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

_BLOCK = 4096

Transform = Callable[[np.ndarray], np.ndarray]
Objective = Literal["softmax", "sigmoid", "value"]


def objective_of(y: np.ndarray) -> Objective:
    """``softmax`` for classes (N,), ``sigmoid`` for labels (N, C), ``value`` for floats (N,)."""
    if y.ndim == 2:
        return "sigmoid"
    return "value" if y.dtype.kind == "f" else "softmax"


def columns_of(y: np.ndarray) -> int:
    """How many outputs the targets ask for."""
    objective = objective_of(y)
    if objective == "sigmoid":
        return y.shape[1]
    return 1 if objective == "value" else int(y.max()) + 1


def float32_rows(
    x: np.ndarray, transform: Transform | None = None, constant: bool = False
) -> np.ndarray:
    """The rows (N, D), put through ``transform``, as a new float32 array made block by block.

    ``constant`` appends a column of ones, the feature whose weight is the intercept.
    """
    n, d = x.shape
    out = np.ones((n, d + constant), dtype=np.float32)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        out[rows, :d] = x[rows] if transform is None else transform(x[rows])
    return out


def batches(rows: int, size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """``steps`` index arrays of ``min(size, rows)`` rows each, from one stream of permutations.

    A batch may cross from one permutation into the next, so none is ever short. The draws are
    ``numpy.random.default_rng([seed, 1])``'s.
    """
    rng = np.random.default_rng([seed, 1])
    size = min(size, rows)
    left = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        if len(left) < size:
            left = np.concatenate([left, rng.permutation(rows)])
        yield left[:size]
        left = left[size:]


def steps_per_epoch(rows: int, size: int) -> int:
    """Steps in which about every row is seen once."""
    return -(-rows // min(size, rows))


def probabilities(logits: np.ndarray, objective: Objective) -> np.ndarray:
    """Scores (..., C) of logits (..., C) in float64; values as they are."""
    z = logits.astype(np.float64)
    if objective == "value":
        return z
    if objective == "sigmoid":
        return 0.5 * (1 + np.tanh(z / 2))
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)
