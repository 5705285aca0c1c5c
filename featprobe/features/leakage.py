"""Near-duplicates across splits and data sets, found among the neighbours of cached features."""

from __future__ import annotations

import numpy as np

from featprobe.features.feature_set import FeatureSet
from featprobe.neighbours.search import Bank

THRESHOLD = 0.99
NEIGHBOURS = 10


def near_duplicates(
    features: FeatureSet, split: np.ndarray, threshold: float = THRESHOLD
) -> list[tuple[str, str, float]]:
    """Pairs of items of different splits whose features almost agree, most alike first.

    ``split`` (N,) of the items of ``features``. Similarity is the cosine after centring on the
    mean of all items (uncentred features of one modality all point one way). Only the ten nearest
    neighbours of each item are looked at, found approximately in sets so large that
    :class:`~featprobe.neighbours.search.Search` is. Returns (id, id, similarity).
    """
    x = features.x().astype(np.float64)
    bank = Bank((x - x.mean(0)).astype(np.float32))
    ids, pairs = features.ids, {}
    for at, similarity, rows in bank.others(min(len(x) - 1, NEIGHBOURS)) if len(x) > 1 else ():
        close = (similarity >= threshold) & (split[at][:, None] != split[rows])
        for i, n in zip(*np.nonzero(close)):
            pair = tuple(sorted((str(ids[at[i]]), str(ids[rows[i, n]]))))
            pairs[pair] = float(min(similarity[i, n], 1.0))
    return sorted(((a, b, s) for (a, b), s in pairs.items()), key=lambda p: -p[2])


def alike_between(
    queries: np.ndarray, bank: np.ndarray, threshold: float = THRESHOLD
) -> list[tuple[int, int, float]]:
    """Rows of ``queries`` (n, D) whose nearest row of ``bank`` (N, D) is nearly the same.

    Similarity is the cosine after centring on the mean of both, as of :func:`near_duplicates`; all
    rows count alike. Returns (row of the query, row of the bank, similarity), most alike first.
    """
    if not len(queries) or not len(bank):
        return []
    mean = np.concatenate([queries, bank]).mean(0, dtype=np.float64).astype(np.float32)
    near, rows = Bank(bank - mean).search(np.ascontiguousarray(queries - mean), 1)
    found = np.flatnonzero(near[:, 0] >= threshold)
    pairs = [(int(i), int(rows[i, 0]), float(min(near[i, 0], 1.0))) for i in found]
    return sorted(pairs, key=lambda p: -p[2])
