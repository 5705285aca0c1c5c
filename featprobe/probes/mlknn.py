"""Multi-label k nearest neighbours by maximum a posteriori (ML-kNN)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.core.errors import InputError
from featprobe.neighbours.votes import value_sums
from featprobe.probes.checks import is_regression
from featprobe.probes.neighbours import NeighbourProbe


class MLkNNProbe(NeighbourProbe):
    """ML-kNN of Zhang & Zhou, *ML-KNN: A lazy learning approach to multi-label learning*, Pattern
    Recognition 40 (2007), on cosine neighbours and with several k at once, as RAD uses it.

    For each label, let E_j be the event that j of an item's k neighbours have it. Over the m
    training items, c(j) of those with the label and c'(j) of those without have j such neighbours
    among the other training items. With ``smoothing`` s (1 is Laplace's)::

        P(H1) = (s + items with the label) / (2 s + m),    P(H0) = 1 - P(H1)
        P(E_j | H1) = (s + c(j)) / (s (k + 1) + sum c),    P(E_j | H0) likewise from c'

    and the score is P(H1) P(E_j | H1) over the sum of both hypotheses. An item whose label is
    unknown (NaN) is left out of m, c and c' of that label, and does not count as a neighbour that
    has it, neither here nor in the counts. Neighbours are counted among the items
    of other patients, as those of a test item are, where training has k of them. Classes
    are taken as one label each, and their scores divided by their sum.

    ``own_neighbour``: in the counts a training item is one of its own k neighbours, and others of
    its patient are too, as in RAD's code; that favours what an item says of itself.
    """

    name = "mlknn"
    apart = 1  # a training item is not its own neighbour, or looks for one more

    def __init__(
        self,
        k: int | Sequence[int] = 20,
        smoothing: float = 1.0,
        metric: str = "cosine",
        index: str = "auto",
        nprobe: int | None = None,
        ef: int | None = None,
        device: str = "auto",
        own_neighbour: bool = False,
    ) -> None:
        self.k, self.smoothing, self.metric = k, smoothing, metric
        self.own_neighbour = own_neighbour
        self.index, self.nprobe, self.ef, self.device = index, nprobe, ef, device

    def check(self) -> None:
        if not 0 < self.smoothing < np.inf:
            raise InputError(f"mlknn smoothing {self.smoothing} must be positive")

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> MLkNNProbe:
        if is_regression(y):
            raise InputError("mlknn is for labels and classes; take knn for values")
        self._labels = y.ndim == 2
        if not self._labels:
            y = y[:, None] == np.arange(int(y.max()) + 1)
        self._remember(x, y.shape[1])
        ks, s = self._ks(), self.smoothing
        self._has = y == 1
        truth = np.stack([y == 0, self._has]).astype(float)  # (2, N, C); NaN is in neither
        prior = (s + truth.sum(1)) / (2 * s + truth.sum((0, 1)))  # (2, C)
        seen = np.zeros((len(ks), 2, max(ks) + 1, y.shape[1]))
        label = np.arange(y.shape[1])
        groups = None if self.own_neighbour else self._groups
        if groups is not None:
            largest = int(np.unique(groups, return_counts=True)[1].max())
            self._within = max(ks) > len(x) - largest
            groups = None if self._within else groups
        bank = self._searched()
        found = bank.near(bank.x, max(ks)) if self.own_neighbour else bank.others(max(ks), groups)
        for at, _, rows in found:
            for g, count in enumerate(self._counts(rows)):
                for h in (0, 1):
                    np.add.at(seen[g, h], (count, label), truth[h, at])
        room = s * (np.array(ks) + 1)[:, None, None]
        likelihood = (s + seen) / (room + seen.sum(2))[:, :, None]
        self._joint = prior[:, None] * likelihood  # (G, 2, j, C)
        return self

    def notes(self) -> list[str]:
        notes = super().notes()
        if getattr(self, "_within", False):
            notes.append(
                f"training has fewer than {max(self._ks())} items of other patients: what "
                "neighbours mean was counted among items of the same patient too"
            )
        return notes

    def _counts(self, rows: np.ndarray) -> np.ndarray:
        """(G, n, C): how many of the first k neighbours have each label."""
        return value_sums(np.ones(rows.shape), self._has[rows], self._ks()).astype(int)

    def _vote(self, x: np.ndarray, near: np.ndarray, rows: np.ndarray) -> np.ndarray:
        label = np.arange(self._columns)
        both = [joint[:, count, label] for joint, count in zip(self._joint, self._counts(rows))]
        p = np.stack([joint[1] / joint.sum(0) for joint in both])
        return p if self._labels else p / p.sum(2, keepdims=True)


PROBE = MLkNNProbe
