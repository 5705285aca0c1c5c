"""Softmax, sigmoid and rows of unit length, for all who need them in numpy.

``scipy.special`` has the first two; why these are ours is in docs/design.md ("Why not a library").
"""

from __future__ import annotations

import numpy as np


def softmax(z: np.ndarray, axis: int = -1) -> np.ndarray:
    """exp(z) / sum exp(z) along an axis, in the dtype of ``z``, without overflow."""
    p = np.exp(z - z.max(axis, keepdims=True))
    p /= p.sum(axis, keepdims=True)
    return p


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)), in the dtype of ``z``, without overflow."""
    return 0.5 * np.tanh(0.5 * z) + 0.5


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows (N, D) scaled to unit length; a row of zeros stays."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
