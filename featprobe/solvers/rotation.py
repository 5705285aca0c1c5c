"""Features in the eigenbasis of their Gram matrix, where the Hessians of linear probes are tame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rotated:
    """Rows ``z`` (N, r) = (x - ``mean``) ``basis``, with ``z.T @ z / N`` = diag(``values``).

    ``basis`` (D, r) has orthonormal columns; directions without variance are left out.
    """

    z: np.ndarray
    values: np.ndarray
    basis: np.ndarray
    mean: np.ndarray


def rotated(x: np.ndarray) -> Rotated:
    """Centre and rotate features (N, D), by the N x N kernel where that is smaller."""
    x = np.asarray(x, dtype=np.float64)
    mean = x.mean(0)
    centred = x - mean
    n, d = x.shape
    values, vectors = np.linalg.eigh((centred @ centred.T if n < d else centred.T @ centred) / n)
    keep = values > max(values[-1], 0) * 1e-12
    values, vectors = values[keep], vectors[:, keep]
    if n < d:  # kernel eigenvectors to feature eigenvectors
        z = vectors * np.sqrt(n * values)
        return Rotated(z, values, centred.T @ vectors / np.sqrt(n * values), mean)
    return Rotated(centred @ vectors, values, vectors, mean)
