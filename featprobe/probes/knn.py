"""Weighted k nearest neighbours through FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.options import Needs
from featprobe.neighbours.votes import VOTES, class_shares, value_sums, weights
from featprobe.probes.checks import is_regression
from featprobe.probes.neighbours import NeighbourProbe
from featprobe.probes.single_class import shares


class KNNProbe(NeighbourProbe):
    """k nearest neighbours by cosine similarity with a softmax-weighted vote.

    The rule of DINOv2's evaluation (``KnnModule`` of facebookresearch/dinov2, after Wu et al.
    2018): features are L2-normalised, the weights of a sample's k neighbours are the softmax of
    similarity / ``temperature``, and the weights of each class are summed. For multi-label targets
    the neighbours' labels are averaged with these weights, unknown ones left out; where none is
    known, how often training has the label is the score, and :meth:`notes` says so. For regression
    their values are averaged.

    ``vote="uniform"``: every neighbour counts 1/k. ``vote="distance"``: 1/d with d = 1 - cosine or
    the Euclidean distance; neighbours at distance 0 count alone. ``metric="l2"``: Euclidean
    neighbours of the features as they are; its softmax is of minus the squared distance /
    ``temperature``. A tie of classes goes to the one that comes first in ``classes_``, as in
    scikit-learn.

    Among exact duplicates in the bank it is not defined which row is found. The scores do not
    depend on it unless duplicates bear different labels and not all of them fit among the k.
    """

    name = "knn"
    tasks = ("multiclass", "ordinal", "multilabel", "regression")
    needs: ClassVar[Needs] = {**NeighbourProbe.needs, "temperature": ("vote", ("softmax",))}

    def __init__(
        self,
        k: int | Sequence[int] = 20,
        temperature: float = 0.07,
        metric: str = "cosine",
        vote: str = "softmax",
        index: str = "auto",
        nprobe: int | None = None,
        ef: int | None = None,
        device: str = "auto",
    ) -> None:
        self.k, self.temperature = k, temperature
        self.metric, self.vote = metric, vote
        self.index, self.nprobe, self.ef, self.device = index, nprobe, ef, device

    def check(self) -> None:
        if self.vote not in VOTES:
            raise InputError(f"kNN vote {self.vote!r}: choose of {', '.join(VOTES)}")
        if not 0 < self.temperature < np.inf:
            raise InputError(f"kNN temperature {self.temperature} must be positive")

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> KNNProbe:
        self._labels = y.ndim == 2
        self._values = self._labels or is_regression(y)
        if self._values:
            self._y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
            columns = self._y.shape[1]
        else:
            self._y, columns = np.asarray(y, dtype=np.int64), int(y.max()) + 1
        self._remember(x, columns)
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        return self._stand_in(super().score_candidates(x))

    def leave_one_out(
        self, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None
    ) -> np.ndarray:
        """(G, N, C) scores of every row by the others; fits to all rows.

        ``y`` as in ``fit_candidates``. ``groups`` (N,), patients: no row of a row's own group is
        asked. :class:`InputError` where a k is more than the rows outside the largest group.
        """
        self.fit_candidates(x, y)
        self._measure(x)
        code = np.arange(len(x)) if groups is None else np.unique(groups, return_inverse=True)[1]
        found = self._collect(x, self._searched().others(max(self._ks()), groups))
        return self._stand_in(found, code)

    def _vote(self, x: np.ndarray, near: np.ndarray, rows: np.ndarray) -> np.ndarray:
        ks, bank = self._ks(), self._searched()
        weight = weights(self.vote, near, self.temperature, lambda: bank.distances(x, rows))
        targets = self._y[rows]
        if not self._values:
            return class_shares(weight, targets, self._columns, ks)
        known = ~np.isnan(targets)
        if known.all():
            known = np.ones((*rows.shape, 1), bool)
        total = value_sums(weight, np.nan_to_num(targets), ks)
        of = value_sums(weight, known, ks)
        return np.where(of > 0, total / np.where(of > 0, of, 1), np.nan)

    def _stand_in(self, p: np.ndarray, code: np.ndarray | None = None) -> np.ndarray:
        """Scores (G, N, C), those that no neighbour knows replaced by what the bank has.

        ``code`` (N,): patients of the rows of the bank, which are scored; each without its own.
        """
        lost = np.isnan(p)
        if not lost.any():
            return p
        self._unknown += int(lost.sum())
        if code is None:
            return np.where(lost, shares(self._y, self._columns), p)
        known, ones = ~np.isnan(self._y), np.nan_to_num(self._y)
        per = np.zeros((2, int(code.max()) + 1, self._columns))  # by patient: known, ones
        np.add.at(per[0], code, known)
        np.add.at(per[1], code, ones)
        of, has = (v.sum(0) - own[code] for v, own in zip((known, ones), per))
        return np.where(lost, has / np.maximum(of, 1), p)


PROBE = KNNProbe
