"""Nearest class prototype, the few-shot classic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.numeric import sigmoid, softmax, unit_rows
from featprobe.core.threads import one_blas_thread
from featprobe.probes.base import Probe

METRICS = ("cosine", "euclidean")
NORMALIZATIONS = ("CL2N", "L2N", "UN")
_BLOCK = 32  # draws whose prototypes meet the queries in one product


@dataclass(frozen=True)
class Prototypes:
    """Of one fit: ``centre`` (D,) taken off the features, ``points`` (J, D), ``offset`` (J,).

    The score of a row v, centred and perhaps of unit length, is ``points @ v + offset``. J is
    the number of classes, or twice that of labels, positives before negatives.
    """

    centre: np.ndarray
    points: np.ndarray
    offset: np.ndarray


class PrototypeProbe(Probe):
    """Similarity to the mean of each class (Snell et al. 2017; Wang et al. 2019, SimpleShot).

    ``normalize``, in SimpleShot's names: ``UN`` features as they are, ``L2N`` of unit length,
    ``CL2N`` centred on the training mean and then of unit length. ``metric``: ``cosine`` to the
    mean of the class, or ``euclidean``: minus half the squared distance to it, in units of the
    mean squared distance of training rows to their common mean, so that features of any scale suit
    one temperature. Scores are the softmax of similarity / ``temperature``. Multi-label targets:
    one pair of prototypes a label, of the known positives and negatives.
    """

    name = "prototype"

    def __init__(
        self, temperature: float = 0.1, metric: str = "cosine", normalize: str = "CL2N"
    ) -> None:
        self.temperature, self.metric, self.normalize = temperature, metric, normalize

    def check(self) -> None:
        if self.metric not in METRICS or self.normalize not in NORMALIZATIONS:
            raise InputError(
                f"prototypes by {self.metric!r} of {self.normalize!r}: choose of "
                f"{', '.join(METRICS)} and {', '.join(NORMALIZATIONS)}"
            )
        if not 0 < self.temperature < np.inf:
            raise InputError(f"prototype temperature {self.temperature} must be positive")

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> PrototypeProbe:
        self._labels = y.ndim == 2
        self._fitted = self._learn(x, y)
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        return self._scores(np.asarray(x, dtype=np.float64), [self._fitted])

    def score_tries(
        self, x: np.ndarray, y: np.ndarray, tries: Sequence[np.ndarray], queries: np.ndarray
    ) -> Iterator[np.ndarray]:
        """As the base's; the prototypes of many tries meet the queries in one product."""
        self._labels = y.ndim == 2
        for start in range(0, len(tries), _BLOCK):
            with one_blas_thread():
                block = [self._learn(x[r], y[r]) for r in tries[start : start + _BLOCK]]
            yield from self._scores(queries, block)

    def _learn(self, x: np.ndarray, y: np.ndarray) -> Prototypes:
        x = np.asarray(x, dtype=np.float64)
        centre = x.mean(0) if self.normalize == "CL2N" else np.zeros(x.shape[1])
        v = x - centre if self.normalize == "UN" else unit_rows(x - centre)
        if self._labels:
            members = np.concatenate([y == 1, y == 0], axis=1)  # NaN is in neither
        else:
            members = y[:, None] == np.arange(int(y.max()) + 1)
        # a class without members keeps a zero vector: similarity 0
        points = members.T @ v / np.maximum(members.sum(0), 1)[:, None]
        if self.metric == "cosine":
            return Prototypes(centre, unit_rows(points), np.zeros(len(points)))
        spread = float(np.mean(((v - v.mean(0)) ** 2).sum(1))) or 1.0
        return Prototypes(centre, points / spread, -(points**2).sum(1) / (2 * spread))

    def _scores(self, x: np.ndarray, fitted: Sequence[Prototypes]) -> np.ndarray:
        """(T, N, C) probabilities of rows (N, D) by T fits, which share their products."""
        # rows and points are centred, so that products in float32 lose nothing
        middle = x.mean(0, dtype=np.float64)
        q = (x - middle).astype(np.result_type(x, np.float32))
        off = np.stack([f.centre for f in fitted]) - middle
        points = np.stack([f.points - f.points.mean(0) for f in fitted])
        t, j, d = points.shape
        z = (points.reshape(t * j, d).astype(q.dtype) @ q.T).reshape(t, j, -1)
        z = z - (points @ off[:, :, None])
        if self.metric == "cosine" or self.normalize != "UN":
            square = np.einsum("nd,nd->n", q, q) - 2 * (off.astype(q.dtype) @ q.T)
            length = np.sqrt(np.maximum(square + (off**2).sum(1)[:, None], 0))
            z /= np.maximum(length, 1e-12)[:, None]
        z = (z + np.stack([f.offset for f in fitted])[:, :, None]) / self.temperature
        if self._labels:
            p = sigmoid(z[:, : j // 2] - z[:, j // 2 :])
        else:
            p = softmax(z, 1)
        return p.transpose(0, 2, 1)


PROBE = PrototypeProbe
