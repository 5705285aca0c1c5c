"""What neighbours say together: weights, and weighted sums for many k at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from featprobe.core.errors import InputError

VOTES = ("softmax", "uniform", "distance")


def weights(
    vote: str, closeness: np.ndarray, temperature: float, distances: Callable[[], np.ndarray]
) -> np.ndarray:
    """(n, k) weights of neighbours, nearest first, up to a factor a row that a vote divides out.

    ``softmax``: exp(closeness / temperature), so the first k of them are the softmax over k
    whatever k is; ``uniform``: 1; ``distance``: 1 / ``distances()``, and where a neighbour is at
    distance 0 only those at 0 count, as in scikit-learn.
    """
    if vote == "softmax":
        near = closeness.astype(np.float64)
        return np.exp((near - near[:, :1]) / temperature)
    if vote == "uniform":
        return np.ones(closeness.shape)
    if vote == "distance":
        d = distances()
        same = d == 0
        return np.where(same.any(1, keepdims=True), same, 1 / np.where(same, 1, d))
    raise InputError(f"kNN vote {vote!r}: choose of {', '.join(VOTES)}")


def class_shares(
    weight: np.ndarray, labels: np.ndarray, classes: int, ks: Sequence[int]
) -> np.ndarray:
    """(G, n, classes): share of the weight that each class has among the first k neighbours.

    ``labels`` (n, k) are class codes; ``ks`` the G numbers of neighbours.
    """
    n = len(labels)
    cell = np.arange(n)[:, None] * classes + labels

    def part(a: int, b: int) -> np.ndarray:
        of = weight[:, a:b].ravel()
        return np.bincount(cell[:, a:b].ravel(), weights=of, minlength=n * classes)

    out = _growing(part, ks).reshape(len(ks), n, classes)
    return out / out.sum(2, keepdims=True)


def value_sums(weight: np.ndarray, values: np.ndarray, ks: Sequence[int]) -> np.ndarray:
    """(G, n, C): weighted sums of the values (n, k, C) of the first k neighbours."""
    return _growing(lambda a, b: np.einsum("nk,nkc->nc", weight[:, a:b], values[:, a:b]), ks)


def _growing(part: Callable[[int, int], np.ndarray], ks: Sequence[int]) -> np.ndarray:
    """Sums over the first k of several k, each neighbour added once."""
    out: list[np.ndarray] = [np.empty(0)] * len(ks)
    done, total = 0, np.zeros(())
    for g in np.argsort(ks):
        total = total + part(done, ks[g])
        out[g], done = total, ks[g]
    return np.stack(out)
