"""The Hessian of a softmax itself, where it is small: L-BFGS from there takes a few steps."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotrf

LARGEST = 2_000  # coefficients and intercepts of all classes


@dataclass(frozen=True)
class Dense:
    """Of problems of ridges ``which`` (P,): Cholesky factors ``lower`` (M, M) of the Hessian with
    each ridge, its rows and columns scaled by ``unit`` (M,) to a diagonal of ones."""

    factors: Sequence[tuple[np.ndarray, np.ndarray]]
    which: np.ndarray

    def __call__(self, q: np.ndarray) -> np.ndarray:
        out = np.empty_like(q)
        for row, i in enumerate(self.which):
            lower, unit = self.factors[i]
            out[row] = unit * cho_solve((lower, True), unit * q[row], check_finite=False)
        return out

    def take(self, rows: np.ndarray) -> Dense:
        return Dense(self.factors, self.which[rows])

    def astype(self, dtype: np.dtype) -> Dense:
        """Itself: float32 is too coarse for it, and solves in float64 take points of either."""
        return self


def dense(
    a: np.ndarray, p: np.ndarray, weight: np.ndarray | None, ridges: np.ndarray,
    pool: ThreadPoolExecutor | None = None,
) -> Dense:  # fmt: skip
    """Of features and a column of ones ``a`` (n, r + 1) at probabilities ``p`` (K, n), for
    ``ridges`` (G,).

    A change that is the same for all classes changes no probability, and no gradient points there:
    it is given the mean curvature of its feature instead of none. Rows and columns are scaled to a
    diagonal of ones before the matrix is factored, so that features may differ by decades.
    """
    n, width = a.shape
    k = len(p)
    a = a.astype(np.float64)
    p = p.astype(np.float64)
    share = p if weight is None else p * weight
    together = (p.T[:, :, None] * a[:, None]).reshape(n, -1)
    weighted = together if weight is None else together * weight[0][:, None]
    h = (weighted.T @ together / -n).reshape(k, width, k, width)
    for c in range(k):
        h[c, :, c] += (a.T * share[c]) @ a / n
    each = np.arange(width)
    mean = np.maximum(np.einsum("cjcj->j", h) / k, 1e-300)
    h[:, each, :, each] += (mean / k)[:, None, None]
    size = k * width
    h = h.reshape(size, size)
    penalised = np.tile(np.r_[np.ones(width - 1), 0.0], k)

    def factored(ridge: float) -> tuple[np.ndarray, np.ndarray]:
        unit = 1 / np.sqrt(np.maximum(np.diag(h) + ridge * penalised, 1e-300))
        scaled = h * unit
        scaled *= unit[:, None]
        return _factor(scaled), unit

    found = list((pool.map if pool else map)(factored, ridges))
    return Dense(found, np.arange(len(ridges)))


def _factor(a: np.ndarray) -> np.ndarray:
    """The lower factor of a matrix whose diagonal is one, raised until rounding leaves it
    positive."""
    for more in (1e-10, 1e-8, 1e-6):
        np.fill_diagonal(a, 1 + more)
        lower, failed = dpotrf(a.T, lower=True, clean=False)
        if not failed:
            return lower
    np.fill_diagonal(a, len(a))  # never indefinite
    return dpotrf(a.T, lower=True, clean=False)[0]
