"""Nearest class prototype, the few-shot classic."""

from __future__ import annotations

import numpy as np

from featprobe.probes.base import Probe


class PrototypeProbe(Probe):
    """Cosine similarity to the mean of each class (Snell et al. 2017; Wang et al. 2019).

    Features are centred on the training mean and L2-normalised (SimpleShot's CL2N); scores are the
    softmax of similarity / ``temperature``. Multi-label targets: one pair of prototypes a label,
    of the known positives and negatives.
    """

    name = "prototype"

    def __init__(self, temperature: float = 0.1) -> None:
        self.temperature = temperature

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> PrototypeProbe:
        self._mean = x.mean(0, dtype=np.float64)
        v = self._vectors(x)
        self._labels = y.ndim == 2
        if self._labels:
            members = [y == 1, y == 0]  # (N, C) each; NaN is in neither
        else:
            members = [y[:, None] == np.arange(int(y.max()) + 1)]
        # (1 or 2, C, D) unit vectors; a class without members keeps a zero vector: similarity 0
        means = [m.astype(float).T @ v for m in members]
        self._prototypes = np.stack([_unit(m) for m in means])
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        similarity = self._vectors(x) @ self._prototypes.transpose(0, 2, 1)  # (1 or 2, N, C)
        z = similarity / self.temperature
        if self._labels:
            return 1 / (1 + np.exp(z[1] - z[0]))[None]
        p = np.exp(z[0] - z[0].max(1, keepdims=True))
        return (p / p.sum(1, keepdims=True))[None]

    def _vectors(self, x: np.ndarray) -> np.ndarray:
        return _unit(x - self._mean)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)


PROBE = PrototypeProbe
