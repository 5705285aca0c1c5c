"""The Hessian of a softmax itself, where it is small: L-BFGS from there takes a few steps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from featprobe.solvers.symmetric import inverse

LARGEST = 2_000  # coefficients and intercepts of all classes


@dataclass(frozen=True)
class Dense:
    """``inverse`` (G, M, M) of the Hessian with each of G ridges; ``which`` (P,) index into it."""

    inverse: np.ndarray
    which: np.ndarray

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return np.stack(
            [self.inverse[i] @ one for i, one in zip(self.which, q)]
        )  # not a copy of each

    def take(self, rows: np.ndarray) -> Dense:
        return Dense(self.inverse, self.which[rows])

    def astype(self, dtype: np.dtype) -> Dense:
        return Dense(self.inverse.astype(dtype), self.which)


def dense(
    z: np.ndarray, p: np.ndarray, weight: np.ndarray | None, ridges: np.ndarray,
    pool: ThreadPoolExecutor | None = None,
) -> Dense:  # fmt: skip
    """Of features ``z`` (n, r) at probabilities ``p`` (K, n), for ``ridges`` (G,).

    A change that is the same for all classes changes no probability, and no gradient points there:
    it is given the mean curvature of its feature instead of none. Rows and columns are scaled to a
    diagonal of ones before the inverse is taken, so that features may differ by decades.
    """
    n, r = z.shape
    k = len(p)
    a = np.c_[z, np.ones(n, z.dtype)].astype(np.float64)
    p = p.astype(np.float64)
    share = p if weight is None else p * weight
    together = (p.T[:, :, None] * a[:, None]).reshape(n, -1)
    weighted = together if weight is None else together * weight[0][:, None]
    h = (weighted.T @ together / -n).reshape(k, r + 1, k, r + 1)
    for c in range(k):
        h[c, :, c] += (a.T * share[c]) @ a / n
    each = np.arange(r + 1)
    mean = np.maximum(np.einsum("cjcj->j", h) / k, 1e-300)
    h[:, each, :, each] += (mean / k)[:, None, None]
    size = k * (r + 1)
    h = h.reshape(size, size)
    penalised = np.tile(np.r_[np.ones(r), 0.0], k)

    def inverted(ridge: float) -> np.ndarray:
        unit = 1 / np.sqrt(np.maximum(np.diag(h) + ridge * penalised, 1e-300))
        scale = np.outer(unit, unit)
        scaled = h * scale
        scaled[np.arange(size), np.arange(size)] = 1 + 1e-10
        return (inverse(scaled) * scale).astype(z.dtype)

    found = list((pool.map if pool else map)(inverted, ridges))
    return Dense(np.stack(found), np.arange(len(ridges)))
