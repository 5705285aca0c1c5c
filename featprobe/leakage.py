"""Near-duplicates across splits, found among the neighbours of cached features."""

from __future__ import annotations

import numpy as np

from featprobe.features import FeatureSet
from featprobe.probes.knn import neighbours

THRESHOLD = 0.99
NEIGHBOURS = 10


def near_duplicates(
    features: FeatureSet, split: np.ndarray, threshold: float = THRESHOLD
) -> list[tuple[str, str, float]]:
    """Pairs of items of different splits whose features almost agree, most alike first.

    ``split`` (N,) of the items of ``features``. Similarity is the cosine after centring on the
    mean of all items (uncentred features of one modality all point one way). Only the ten nearest
    neighbours of each item are looked at. Returns (id, id, similarity).
    """
    x = features.x().astype(np.float64)
    similarity, index = neighbours((x - x.mean(0)).astype(np.float32), min(len(x), NEIGHBOURS + 1))
    ids, pairs = features.ids, {}
    for i, (row, near) in enumerate(zip(similarity, index)):
        for s, j in zip(row, near):
            if s >= threshold and split[i] != split[j]:
                pairs[tuple(sorted((str(ids[i]), str(ids[j]))))] = float(min(s, 1.0))
    return sorted(((a, b, s) for (a, b), s in pairs.items()), key=lambda p: -p[2])
