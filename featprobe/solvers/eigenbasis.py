"""Features in the basis in which their covariance is diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RANK = 1e-12  # eigenvalues below this part of the largest are rounding
BLOCK = 8192  # rows in float64 at a time


@dataclass(frozen=True)
class Eigenbasis:
    """Centred features ``z`` (N, r) = (x - mean) @ vectors, r the numerical rank.

    ``values`` (r,): the variances of the columns of ``z``, falling. ``vectors`` (D, r) are
    orthonormal. Everything but ``z`` is float64.
    """

    mean: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    z: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, dtype: np.dtype) -> Eigenbasis:
        """The basis of x (N, D): through the D x D covariance, or the N x N kernel if smaller."""
        n, d = x.shape
        mean = x.mean(0, dtype=np.float64)
        if n < d:
            centred = x - mean
            values, vectors = _leading(centred @ centred.T / n)
            z = vectors * np.sqrt(n * values)
            return cls(mean, values, centred.T @ (vectors / np.sqrt(n * values)), z.astype(dtype))
        covariance = np.zeros((d, d))
        blocks = [slice(s, s + BLOCK) for s in range(0, n, BLOCK)]
        for rows in blocks:
            centred = x[rows] - mean
            covariance += centred.T @ centred
        values, vectors = _leading(covariance / n)
        z = np.empty((n, len(values)), dtype)
        for rows in blocks:
            z[rows] = (x[rows] - mean) @ vectors
        return cls(mean, values, vectors, z)


def _leading(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, falling, and eigenvectors of a covariance up to its numerical rank."""
    values, vectors = np.linalg.eigh(matrix)
    keep = values > max(values[-1] * RANK, 0)
    return values[keep][::-1], np.ascontiguousarray(vectors[:, keep][:, ::-1])
