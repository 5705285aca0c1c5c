"""Label propagation: a transductive probe, which learns from the queries too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.numeric import unit_rows
from featprobe.probes.base import Probe
from featprobe.probes.single_class import shares

_BLOCK = 2048  # rows whose similarities are looked at together
_TOLERANCE, _STEPS = 1e-8, 1000  # of conjugate gradients: residual to start with, most steps


class LabelPropagationProbe(Probe):
    """Labels spread over a graph of training items and queries together.

    Zhou et al. (2004): scores F solve (I - ``alpha`` S) F = Y, with S the symmetrically
    normalised affinities D^-1/2 W D^-1/2; Iscen et al. (2019): W joins each item with its ``k``
    nearest by cosine similarity s, with weight max(s, 0) ^ ``gamma``, made symmetric; F is solved
    for by conjugate gradients and its rows brought to a sum of 1. Multi-label targets spread known
    positives and known negatives of each label apart.

    **Transductive**: the score of a query depends on which other queries are scored with it, so it
    is not that of a deployed classifier. An item that no labelled one reaches is scored by how
    often each class or label occurs in training, and :meth:`notes` says so.
    """

    name = "labelprop"
    transductive = True

    def __init__(self, k: int = 20, alpha: float = 0.99, gamma: float = 3.0) -> None:
        self.k, self.alpha, self.gamma = k, alpha, gamma

    def check(self) -> None:
        if self.k < 1 or not 0 < self.alpha < 1 or not self.gamma > 0:
            raise InputError(
                f"label propagation needs k of at least 1, alpha between 0 and 1 and a positive "
                f"gamma, not {self.k}, {self.alpha}, {self.gamma}"
            )

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> LabelPropagationProbe:
        self._labels = y.ndim == 2
        self._bank, self._seeds = _unit(x), _seeds(y)
        self._share, self._lost = shares(y, self._seeds.shape[1]), 0
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        queries = _unit(x)
        return self._spread(queries, self._near(queries, queries), self._bank, self._seeds)[None]

    def score_tries(
        self, x: np.ndarray, y: np.ndarray, tries: Sequence[np.ndarray], queries: np.ndarray
    ) -> Iterator[np.ndarray]:
        """As the base's; how near the queries are to each other is looked up once."""
        unit = _unit(queries)
        among, lost = self._near(unit, unit), 0
        for rows in tries:
            self.fit_candidates(x[rows], y[rows])
            p = self._spread(unit, among, self._bank, self._seeds)
            lost = self._lost = lost + self._lost  # in all tries
            yield p

    def notes(self) -> list[str]:
        notes = ["transductive: the score of an item depends on the other items of the test set"]
        if getattr(self, "_lost", 0):
            notes.append(
                f"{self._lost} scores are of items that no labelled one reaches: how often "
                "training has the class stands in"
            )
        return notes

    def _near(self, rows: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Similarities and indices (n, <= k + 1) of the nearest of ``others``, in no order.

        One more than k, since a row among the others is its own nearest.
        """
        most = min(self.k + 1, len(others))
        values = np.empty((len(rows), most), np.float32)
        index = np.empty((len(rows), most), np.int64)
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            similarity = rows[part] @ others.T
            index[part] = np.argpartition(-similarity, most - 1, axis=1)[:, :most]
            values[part] = np.take_along_axis(similarity, index[part], 1)
        return values, index

    def _spread(
        self, queries: np.ndarray, among: tuple[np.ndarray, np.ndarray], bank: np.ndarray,
        seeds: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        """Probabilities (N, C) of the queries; ``among``: their nearest queries."""
        from scipy import sparse

        n = len(bank)  # nodes: the bank, then the queries
        nodes = np.concatenate([bank, queries])
        to_bank, from_bank = self._near(queries, bank), self._near(bank, nodes)
        edges = [
            self._edges(np.arange(n), *from_bank),
            self._edges(
                np.arange(n, len(nodes)),
                np.concatenate([to_bank[0], among[0]], axis=1),
                np.concatenate([to_bank[1], among[1] + n], axis=1),
            ),
        ]
        row, column, weight = (np.concatenate(parts) for parts in zip(*edges))
        graph = sparse.csr_matrix((weight, (row, column)), shape=(len(nodes),) * 2)
        graph = graph + graph.T
        degree = np.asarray(graph.sum(1)).ravel()
        root = sparse.diags(1 / np.sqrt(np.where(degree > 0, degree, 1.0)))
        system = sparse.identity(len(nodes)) - self.alpha * (root @ graph @ root)
        start = np.zeros((len(nodes), seeds.shape[1]))
        start[:n] = seeds
        f = np.maximum(_solve(system, start)[n:], 0)
        if self._labels:
            f = f.reshape(len(f), 2, -1)
            return self._of_sum(f[:, 0], f.sum(1))
        return self._of_sum(f, f.sum(1, keepdims=True))

    def _of_sum(self, f: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Parts of a sum; where it is 0, the shares of training."""
        # saved probes of the first versions have no shares
        share = getattr(self, "_share", 0.5 if self._labels else 1 / f.shape[1])
        self._lost = getattr(self, "_lost", 0) + int((total == 0).sum())
        return np.where(total > 0, f / np.where(total > 0, total, 1.0), share)

    def _edges(
        self, rows: np.ndarray, similarity: np.ndarray, index: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Start, end and weight of the edges to the k nearest of each row, itself left out."""
        similarity = np.where(index == rows[:, None], -np.inf, similarity)
        most = min(self.k, similarity.shape[1] - 1)
        best = np.argpartition(-similarity, most - 1, axis=1)[:, :most]
        weight = np.maximum(np.take_along_axis(similarity, best, 1), 0).astype(np.float64)
        start = np.repeat(rows, most)
        return start, np.take_along_axis(index, best, 1).ravel(), weight.ravel() ** self.gamma


def _seeds(y: np.ndarray) -> np.ndarray:
    """(n, C) one-hot classes; (n, 2 C) known positives, then known negatives of labels."""
    if y.ndim == 2:
        return np.concatenate([y == 1, y == 0], axis=1).astype(np.float64)
    return np.eye(int(y.max()) + 1)[y]


def _solve(system: Any, right: np.ndarray) -> np.ndarray:
    """Conjugate gradients for all columns (n, K) side by side; ``system`` is positive definite."""
    x, residual = np.zeros_like(right), right.copy()
    direction, square = residual.copy(), (residual**2).sum(0)
    enough = _TOLERANCE**2 * square
    for _ in range(_STEPS):
        if (square <= enough).all():
            break
        image = system @ direction
        step = square / np.maximum((direction * image).sum(0), 1e-300)
        x += step * direction
        residual -= step * image
        square, before = (residual**2).sum(0), square
        direction = residual + direction * (square / np.maximum(before, 1e-300))
    return x


def _unit(x: np.ndarray) -> np.ndarray:
    return unit_rows(np.asarray(x, dtype=np.float64)).astype(np.float32)


PROBE = LabelPropagationProbe
