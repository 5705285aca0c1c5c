"""Weighted k nearest neighbours, exact, through FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from featprobe.errors import InputError, MissingExtra
from featprobe.probes.base import Probe

METRICS = ("cosine", "l2")
VOTES = ("softmax", "uniform")
_BLOCK = 4096  # queries voted at a time


class KNNProbe(Probe):
    """k nearest neighbours by cosine similarity with a softmax-weighted vote.

    The rule of DINOv2's evaluation (``KnnModule`` of facebookresearch/dinov2, after Wu et al.
    2018): features are L2-normalised, the weights of a sample's k neighbours are the softmax of
    similarity / ``temperature``, and the weights of each class are summed. For multi-label targets
    the neighbours' labels are averaged with these weights, unknown ones left out.

    ``k``: one number or several, each a candidate. ``vote="uniform"``: every neighbour counts 1/k.
    ``metric="l2"``: Euclidean neighbours of the features as they are; its softmax is of minus the
    squared distance / temperature.

    Exact duplicates in the bank make neighbour indices ambiguous, the scores are not.
    """

    name = "knn"
    report_all = True

    def __init__(
        self,
        k: int | Sequence[int] = 20,
        temperature: float = 0.07,
        metric: str = "cosine",
        vote: str = "softmax",
    ) -> None:
        self.k, self.temperature = k, temperature
        self.metric, self.vote = metric, vote

    def candidates(self) -> list[dict[str, Any]]:
        return [{"k": int(k)} for k in np.atleast_1d(self.k)]

    def _check(self, rows: int) -> list[int]:
        ks = [c["k"] for c in self.candidates()]
        if self.metric not in METRICS or self.vote not in VOTES:
            raise InputError(
                f"kNN metric {self.metric!r} with vote {self.vote!r}: choose of "
                f"{', '.join(METRICS)} and {', '.join(VOTES)}"
            )
        if not 0 < self.temperature < np.inf:
            raise InputError(f"kNN temperature {self.temperature} must be positive")
        if min(ks) < 1:
            raise InputError(f"kNN needs k of at least 1, not {min(ks)}")
        if max(ks) > rows:
            raise InputError(f"k = {max(ks)} is more than the {rows} training items; lower --k")
        return ks

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> KNNProbe:
        self._check(len(x))
        faiss = _faiss()
        bank = self._vectors(x)
        kind = faiss.IndexFlatIP if self.metric == "cosine" else faiss.IndexFlatL2
        self._index = kind(bank.shape[1])
        self._index.add(bank)
        self._labels = y.ndim == 2
        self._y = np.asarray(y, dtype=np.float64 if self._labels else np.int64)
        self._columns = y.shape[1] if self._labels else int(y.max()) + 1
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        ks = self._check(len(self._y))
        out = np.empty((len(ks), len(x), self._columns))
        queries = self._vectors(x)
        for start in range(0, len(x), _BLOCK):
            rows = slice(start, start + _BLOCK)
            near, index = self._index.search(queries[rows], max(ks))
            similarity = near if self.metric == "cosine" else -near
            for g, k in enumerate(ks):
                out[g, rows] = self._vote(similarity[:, :k].astype(np.float64), index[:, :k])
        return out

    def _vote(self, similarity: np.ndarray, index: np.ndarray) -> np.ndarray:
        """(n, C) from the similarities and bank rows (n, k) of the neighbours."""
        if self.vote == "softmax":
            weight = np.exp((similarity - similarity[:, :1]) / self.temperature)
        else:
            weight = np.ones_like(similarity)
        labels = self._y[index]
        if self._labels:
            known = ~np.isnan(labels)
            top = np.einsum("nk,nkc->nc", weight, np.where(known, labels, 0))
            bottom = np.einsum("nk,nkc->nc", weight, known.astype(float))
            return np.where(bottom > 0, top / np.maximum(bottom, 1e-300), 0.5)
        weight /= weight.sum(1, keepdims=True)
        n, classes = len(labels), self._columns
        cell = (np.arange(n)[:, None] * classes + labels).ravel()
        votes = np.bincount(cell, weights=weight.ravel(), minlength=n * classes)
        return votes.reshape(n, classes)

    def _vectors(self, x: np.ndarray) -> np.ndarray:
        v = np.ascontiguousarray(x, dtype=np.float32)
        return _unit(v) if self.metric == "cosine" else v


def neighbours(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine similarities (N, k) and rows (N, k) of the k nearest rows of each row, itself too."""
    unit = _unit(np.ascontiguousarray(x, dtype=np.float32))
    index = _faiss().IndexFlatIP(unit.shape[1])
    index.add(unit)
    return index.search(unit, k)


def _unit(v: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(v.astype(np.float64), axis=1, keepdims=True)
    return (v / np.maximum(norm, 1e-12)).astype(np.float32)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtra(
            "kNN needs FAISS: pip install 'featprobe[cpu]', or 'featprobe[gpu]' beside a GPU"
        ) from None
    return faiss


PROBE = KNNProbe
