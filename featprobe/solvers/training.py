"""What every training by gradient steps shares: rows, batches, and what is trained towards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from featprobe.core.numeric import sigmoid, softmax

if TYPE_CHECKING:
    import torch

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


def first_weights(classes: int, features: int, seed: int, start: str | None) -> np.ndarray:
    """(C, D + 1) float32 of a linear head before its first step, the intercepts last.

    ``start``: None, normal of deviation 0.01 with intercepts of 0, as facebookresearch/dinov2
    has heads; ``uniform``, weights and intercepts within 1 / sqrt(D) of 0, as
    ``torch.nn.Linear`` begins. The draws are ``numpy.random.default_rng([seed, 0])``'s.
    """
    rng = np.random.default_rng([seed, 0])
    if start == "uniform":
        reach = 1 / np.sqrt(features)
        return rng.uniform(-reach, reach, (classes, features + 1)).astype(np.float32)
    draw = rng.normal(0, 0.01, (classes, features))
    return np.concatenate([draw, np.zeros((classes, 1))], 1).astype(np.float32)


def steps_per_epoch(rows: int, size: int) -> int:
    """Steps in which about every row is seen once."""
    return -(-rows // min(size, rows))


def loss(
    outputs: torch.Tensor, target: torch.Tensor, objective: Objective,
    weight: torch.Tensor | None = None, smoothing: float = 0.0,
) -> torch.Tensor:  # fmt: skip
    """Mean loss over the known targets, 0 where none is.

    ``softmax``: cross-entropy of outputs (B, C) and classes (B,), -1 unknown; ``weight`` (C,) of
    the classes, the mean being over the weights as in torch. ``sigmoid``: of labels (B, C), NaN
    unknown; ``weight`` (C,) of their ones. ``value``: squared error of outputs (B, 1) and values
    (B,), NaN unknown. ``smoothing``: part of a target that is spread over all classes, or over
    both values of a label.
    """
    from torch.nn import functional as F

    if objective == "softmax":
        known = target >= 0
        total = F.cross_entropy(
            outputs, target, weight, ignore_index=-1, reduction="sum", label_smoothing=smoothing
        )
        count = known.sum() if weight is None else (weight[target.clamp_min(0)] * known).sum()
        return total * (count > 0) / count.where(count > 0, 1)
    known = ~target.isnan()
    if objective == "value":
        each = F.mse_loss(outputs[:, 0], target.nan_to_num(), reduction="none")
    else:
        soft = target.nan_to_num() * (1 - smoothing) + smoothing / 2
        each = F.binary_cross_entropy_with_logits(
            outputs, soft, pos_weight=weight, reduction="none"
        )
    return (each * known).sum() / known.sum().clamp_min(1)


def probabilities(logits: np.ndarray, objective: Objective) -> np.ndarray:
    """Scores (..., C) of logits (..., C) in float64; values as they are."""
    z = logits.astype(np.float64)
    if objective == "value":
        return z
    if objective == "sigmoid":
        return sigmoid(z)
    return softmax(z)
