"""Nearest rows of a bank of features through FAISS, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.neighbours import approximate
from featprobe.neighbours.library import library

METRICS = ("cosine", "l2")
INDEXES = ("auto", "flat", "ivf", "hnsw", "ivfpq")
DEVICES = ("auto", "cpu", "cuda")

_AUTO = 1.5e13  # rows^2 * width above which a fifth of the rows is searched for 15 s to a minute
_SMALL = 1000  # rows that an approximate index could not be trained on
_QUERIES = 16384  # searched at a time: enough that preparing the bank again costs under 1 %
_PIECE = 2048  # handed on at a time, since votes gather (piece, k, C)
_BLOCK = 1 << 25  # values of the bank, and of gathered neighbours, in float32 at a time
_SAMPLE = 256  # queries on which recall is measured
_STEP = 1024  # rows prepared at a time, which are still in the cache when they are read again
_RECALL = 0.99  # that an approximate search has to reach when nobody says how hard to look
_GPU_K = 2048  # neighbours that FAISS can select on a GPU


@dataclass(frozen=True)
class Search:
    """How neighbours are looked for.

    ``metric``: ``cosine``, or ``l2`` (Euclidean distance of the features as they are).

    ``index``: ``flat`` is exact and keeps no copy of the bank; ``ivf`` (lists of k-means, the
    ``nprobe`` nearest ones searched), ``hnsw`` (graph, ``ef`` candidates kept) and ``ivfpq`` (lists
    of 4-bit product codes, the best of them compared again exactly) are approximate and hold a
    float32 copy. ``nprobe`` and ``ef`` that are None begin at 16 and 128 and are doubled, or the
    candidates of ``ivfpq`` that are compared again (10 k), whichever helps more, until recall of
    the other neighbours of rows of the bank is 0.99, or nothing helps. ``auto`` is flat until
    searching a bank for a fifth as many queries takes a quarter of a minute on two cores with
    AVX-512 (about 120,000 rows of 1024), then ``ivfpq``; it goes by the bank's shape alone, so that
    the same data give the same numbers on every machine without a GPU. Banks under 1,000 rows are
    searched exactly in any case.

    ``device``: ``auto`` takes a GPU for exact search where FAISS has one; approximate indexes are
    of the CPU.
    """

    metric: str = "cosine"
    index: str = "auto"
    nprobe: int | None = None
    ef: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for what, known in (("metric", METRICS), ("index", INDEXES), ("device", DEVICES)):
            value = getattr(self, what)
            if value not in known:
                raise InputError(f"kNN {what} {value!r}: choose of {', '.join(known)}")
        for what in ("nprobe", "ef"):
            value = getattr(self, what)
            if value is not None and value < 1:
                raise InputError(f"kNN {what} {value} must be at least 1")
        if self.device == "cuda" and self.index not in ("auto", "flat"):
            raise InputError(
                f"the {self.index} index is of the CPU: take index flat on a GPU, or device cpu"
            )


class Bank:
    """Rows (N, D) among which neighbours are looked for.

    ``x`` of any number type is kept as it is (a memory map stays one) and must not be changed
    afterwards; float32 copies are made block by block. Closeness is the cosine similarity, or
    minus the squared Euclidean distance: the larger the nearer.

    Raises :class:`InputError` where the device asked for is not there, and in searches for more
    neighbours than there are rows.
    """

    def __init__(self, x: np.ndarray, how: Search | None = None) -> None:
        self.x, self.how = x, how or Search()
        self._faiss = library()
        self.gpu = self._on_gpu()
        self._found: tuple[int, int] | None = None  # how hard an approximate index has to look

    @property
    def index(self) -> str:
        """The index in use, with ``auto`` decided."""
        rows, width = self.x.shape
        if rows < _SMALL:
            return "flat"
        if self.how.index != "auto":
            return self.how.index
        return "flat" if self.gpu or rows**2 * width <= _AUTO else "ivfpq"

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Closeness (n, k), falling, and rows (n, k) of the k nearest rows of each query."""
        if k > len(self.x):
            raise InputError(f"{k} neighbours of a bank of {len(self.x)} rows")
        q = self._prepare(queries)
        if self.index == "flat":
            return self._exact(q, k)
        near, rows = self._closeness(*self._approximate(k).search(q, k))
        short = (rows < 0).any(1)  # the lists probed held fewer than k rows
        if short.any():
            near[short], rows[short] = self._exact(q[short], k)
        return near, rows

    def near(
        self, queries: np.ndarray, k: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """:meth:`search` in pieces: positions of the queries, closeness, rows."""
        for start in range(0, len(queries), _QUERIES):
            found = self.search(queries[start : start + _QUERIES], k)
            yield from _pieces(np.arange(start, start + len(found[0])), *found)

    def others(
        self, k: int, groups: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The k nearest rows of every row that are not of its own group, in pieces.

        ``groups`` (N,); None: every row is one. Each row is searched for k more than (about) the
        rows of its group, so that none is missed however large the group. Yields positions (n,),
        closeness (n, k) and rows (n, k); positions come in no order.
        """
        code = np.arange(len(self.x))
        own = np.ones(len(self.x), int)
        if groups is not None:
            _, code, sizes = np.unique(groups, return_inverse=True, return_counts=True)
            own = sizes[code]
        if k > len(self.x) - own.max():
            raise InputError(
                f"k = {k} is more than the {len(self.x) - own.max()} rows outside the largest "
                f"group of {own.max()}; lower --k"
            )
        spare = 2 ** np.ceil(np.log2(own)).astype(int)  # few sizes, so that few searches
        for extra in np.unique(spare):
            members = np.flatnonzero(spare == extra)
            step = max(1, min(_QUERIES, _BLOCK // int(k + extra)))
            for start in range(0, len(members), step):
                at = members[start : start + step]
                near, rows = self.search(self.x[at], min(len(self.x), k + int(extra)))
                mine = code[rows] == code[at][:, None]
                first = np.argsort(mine, axis=1, kind="stable")[:, :k]
                yield from _pieces(at, *(np.take_along_axis(v, first, 1) for v in (near, rows)))

    def distances(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Distances (n, k) of queries to given rows (n, k): Euclidean, or 1 - cosine.

        Made of differences, so that equal vectors are at exactly 0, which matrix products miss.
        """
        out = np.empty(rows.shape)
        step = max(1, _BLOCK // (rows.shape[1] * self.x.shape[1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            there = self._prepare(self.x[rows[part].ravel()]).reshape(*rows[part].shape, -1)
            there -= self._prepare(queries[part])[:, None]
            out[part] = np.einsum("nkd,nkd->nk", there, there)
        return out / 2 if self.how.metric == "cosine" else np.sqrt(out)

    def recall(self, queries: np.ndarray, k: int) -> float:
        """Recall@k of :meth:`search` on a sample of the queries (evenly spaced, at most 256).

        A neighbour counts when it is as close as the k-th of the exact search: among equals, which
        row was found does not matter.
        """
        q = self._prepare(_sample(queries))
        return _recall(self.search(_sample(queries), k)[0], self._exact(q, k)[0])

    def _on_gpu(self) -> bool:
        if self.how.device == "cpu" or self.how.index not in ("auto", "flat"):
            return False
        there = hasattr(self._faiss, "StandardGpuResources") and self._faiss.get_num_gpus() > 0
        if self.how.device == "cuda" and not there:
            raise InputError(
                "kNN on a GPU: FAISS sees none; install 'featprobe[gpu]' beside a GPU, or take "
                "device cpu"
            )
        return bool(there)

    @cached_property
    def _centre(self) -> np.ndarray:
        return self.x.mean(0, dtype=np.float64).astype(np.float32)

    def _prepare(self, x: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
        """A float32 copy to be searched: of unit length, or centred on the bank.

        Distances do not change by centring, but far from the origin float32 products lose them.
        ``into``: memory to use, as fresh pages cost more than the copy.
        """
        v = np.empty(x.shape, np.float32) if into is None else into[: len(x)]
        for start in range(0, len(x), _STEP):
            part = v[start : start + _STEP]
            part[:] = x[start : start + _STEP]
            if self.how.metric == "cosine":
                self._faiss.normalize_L2(part)
            else:
                part -= self._centre
        return v

    def _exact(self, q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        step = max(1, _BLOCK // self.x.shape[1])
        best: tuple[np.ndarray, np.ndarray] | None = None
        memory = np.empty((min(step, len(self.x)), self.x.shape[1]), np.float32)
        for start in range(0, len(self.x), step):
            block = self._prepare(self.x[start : start + step], memory)
            near, rows = self._closeness(*self._knn(q, block, min(k, len(block))))
            rows += start
            if best is not None:  # both are sorted, which a stable sort merges in linear time
                near, rows = np.hstack([best[0], near]), np.hstack([best[1], rows])
                first = np.argsort(-near, axis=1, kind="stable")[:, :k]
                near, rows = (np.take_along_axis(v, first, 1) for v in (near, rows))
            best = near, rows
        assert best is not None
        return best

    def _knn(self, q: np.ndarray, block: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        if self.gpu and k <= _GPU_K:
            return self._faiss.knn_gpu(self._resources, q, block, k, metric=self._metric)
        return self._faiss.knn(q, block, k, metric=self._metric)

    def _closeness(self, value: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (value if self.how.metric == "cosine" else -value), rows

    @property
    def _metric(self) -> int:
        cosine = self.how.metric == "cosine"
        return self._faiss.METRIC_INNER_PRODUCT if cosine else self._faiss.METRIC_L2

    @cached_property
    def _resources(self) -> Any:
        return self._faiss.StandardGpuResources()

    @cached_property
    def _made(self) -> Any:
        """The approximate index, trained on a sample of the bank and filled by blocks."""
        rows, width = self.x.shape
        index, enough = approximate.make(self._faiss, self.index, rows, width, self._metric)
        if not index.is_trained:
            index.train(self._prepare(_sample(self.x, enough)))
        step = max(1, _BLOCK // width)
        for start in range(0, rows, step):
            index.add(self._prepare(self.x[start : start + step]))
        return index

    def _approximate(self, k: int) -> Any:
        """The index, set to look as hard as asked for."""
        given = self.how.ef if self.index == "hnsw" else self.how.nprobe
        self._look((given, approximate.AGAIN) if given else self._effort(k), k)
        return self._made

    def _effort(self, k: int) -> tuple[int, int]:
        """The ``nprobe`` or ``ef``, and how many times k candidates are compared again, that
        suffice; found once, with the first k. That a row finds itself says nothing."""
        if self._found is None:
            q, wide = self._prepare(_sample(self.x)), min(k + 1, len(self.x))
            exact, _ = self._exact(q, wide)

            def reached(effort: tuple[int, int]) -> float:
                self._look(effort, wide)
                return _recall(self._closeness(*self._made.search(q, wide))[0][:, 1:], exact)

            self._found = approximate.FIRST[self.index], approximate.AGAIN
            recall = reached(self._found)
            while recall < _RECALL:
                tried = [(reached(e), e) for e in approximate.harder(self.index, *self._found)]
                best, effort = max(tried, key=lambda one: one[0])
                if best <= recall:
                    break
                recall, self._found = best, effort
        return self._found

    def _look(self, effort: tuple[int, int], k: int) -> None:
        approximate.look(self._faiss, self._made, self.index, effort[0], k, effort[1])


def _sample(x: np.ndarray, n: int = _SAMPLE) -> np.ndarray:
    return x[np.unique(np.linspace(0, len(x) - 1, n).astype(int))]


def _recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of closeness (n, k) that is at least the k-th exact one, up to rounding."""
    slack = 1e-5 * np.maximum(1e-30, np.abs(exact).max())
    return float((found >= exact[:, -1:] - slack).mean())


def _pieces(
    at: np.ndarray, near: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    for start in range(0, len(at), _PIECE):
        part = slice(start, start + _PIECE)
        yield at[part], near[part], rows[part]
