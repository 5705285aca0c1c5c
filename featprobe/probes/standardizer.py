"""Centre and scale of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ROWS = 8192  # standardised at a time
ROUNDING = 1e-12  # of its mean: a feature that varies less is constant, whatever its unit


@dataclass(frozen=True)
class Standardizer:
    """Centre and scale by the training rows; a constant feature stays zero."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(
        cls, x: np.ndarray, scale: bool = True, weight: np.ndarray | None = None
    ) -> Standardizer:
        """The mean of the rows (N, D) and, unless ``scale`` is False, their standard deviation.

        ``weight`` (N,): how often each row counts.
        """
        w = np.full(len(x), 1 / len(x)) if weight is None else weight / weight.sum()
        blocks = [slice(s, s + _ROWS) for s in range(0, len(x), _ROWS)]
        mean = sum((w[b] @ x[b].astype(np.float64) for b in blocks), np.zeros(x.shape[1]))
        std = np.ones(x.shape[1])
        if scale:
            std = np.sqrt(sum(np.einsum("n,nd->d", w[b], (x[b] - mean) ** 2) for b in blocks))
        return cls(mean, np.where(std > ROUNDING * np.abs(mean), std, 1.0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows (N, D), computed in float64 and kept in float32 where they came in it."""
        out = np.empty(x.shape, np.float32 if x.dtype == np.float32 else np.float64)
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            out[rows] = (x[rows] - self.mean) / self.scale
        return out
