"""Ridge regression for all strengths and all targets at once.

The objective is scikit-learn's ``Ridge``: ``|y - x w - b|^2 + alpha |w|^2``, the intercept
unpenalised. One eigendecomposition, of the D x D Gram matrix or of the n x n kernel where that is
smaller, serves every alpha and every target (Hoerl and Kennard 1970; Saunders et al. 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.solvers.eigenbasis import blocks, covariance_basis
from featprobe.solvers.grids import positive


@dataclass(frozen=True)
class RidgePath:
    """Optima for each of G alphas: ``coef`` (G, K, D), ``intercept`` (G, K)."""

    alphas: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(G, N, K) values for rows (N, D)."""
        g, k, d = self.coef.shape
        values = x @ self.coef.reshape(g * k, d).T + self.intercept.reshape(-1)
        return values.reshape(len(x), g, k).transpose(1, 0, 2)


def ridge_path(x: np.ndarray, y: np.ndarray, alphas: Sequence[float]) -> RidgePath:
    """Fit every alpha and every target.

    ``x`` (N, D); ``y`` float (N, K), NaN where unknown: a target is fitted on the rows where it is
    known, and is 0 everywhere when it is known nowhere. ``alphas`` positive. Raises
    :class:`InputError` for an alpha that is not.
    """
    grid = positive(alphas, "alpha")
    known = ~np.isnan(y)
    coef = np.zeros((len(grid), y.shape[1], x.shape[1]))
    intercept = np.zeros((len(grid), y.shape[1]))
    together: dict[bytes, list[int]] = {}  # targets known in the same rows are solved at once
    for k, rows in enumerate(known.T):  # numpy.unique makes a field of a record of each row
        together.setdefault(np.packbits(rows).tobytes(), []).append(k)
    for of in together.values():
        rows = known[:, of[0]]
        if rows.all():  # then nothing is copied
            coef[:, of], intercept[:, of] = complete(x, y[:, of], grid)
        elif rows.any():
            coef[:, of], intercept[:, of] = complete(x[rows], y[np.ix_(rows, of)], grid)
    return RidgePath(grid, coef, intercept)


def complete(x: np.ndarray, y: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (G, K, D) and intercepts (G, K) of targets that are known in every row.

    Of one alpha and few rows a linear system is solved instead, which is several times faster.
    """
    level = y.mean(0, dtype=np.float64)
    if len(x) < x.shape[1] and len(alphas) == 1:
        mean = x.mean(0, dtype=np.float64)
        z = x - mean
        weights = np.linalg.solve(z @ z.T + alphas * np.eye(len(z)), y - level)
        coef = (weights.T @ z)[None]
        return coef, level - coef @ mean
    mean, values, vectors = covariance_basis(x)
    both = sum((x[b] - mean).T @ (y[b] - level) for b in blocks(x))  # few rows in float64 at a time
    side = vectors.T @ both  # (r, K)
    shrunk = side[:, None] / (len(x) * values[:, None] + alphas)[:, :, None]  # (r, G, K)
    flat = vectors @ shrunk.reshape(len(side), len(alphas) * y.shape[1])  # r may be 0
    coef = flat.reshape(x.shape[1], len(alphas), y.shape[1]).transpose(1, 2, 0)
    return coef, level - coef @ mean
