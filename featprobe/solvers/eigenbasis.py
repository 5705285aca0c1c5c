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
        """The basis of x (N, D), with ``z`` in ``dtype``."""
        mean, values, vectors = covariance_basis(x)
        z = np.empty((len(x), len(values)), dtype)
        for rows in _blocks(x):
            z[rows] = (x[rows] - mean) @ vectors
        return cls(mean, values, vectors, z)


def covariance_basis(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (D,), variances (r,), falling, and principal axes (D, r) of x (N, D), in float64.

    Through the D x D covariance, or the N x N kernel where that is smaller.
    """
    n, d = x.shape
    mean = x.mean(0, dtype=np.float64)
    if n < d:
        centred = x - mean
        values, vectors = _leading(centred @ centred.T / n)
        return mean, values, centred.T @ (vectors / np.sqrt(n * values))
    covariance = np.zeros((d, d))
    for rows in _blocks(x):
        centred = x[rows] - mean
        covariance += centred.T @ centred
    return mean, *_leading(covariance / n)


def _blocks(x: np.ndarray) -> list[slice]:
    return [slice(s, s + BLOCK) for s in range(0, len(x), BLOCK)]


def _leading(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, falling, and eigenvectors of a covariance up to its numerical rank."""
    values, vectors = np.linalg.eigh(matrix)
    keep = values > max(values[-1] * RANK, 0)
    return values[keep][::-1], np.ascontiguousarray(vectors[:, keep][:, ::-1])
