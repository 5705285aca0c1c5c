"""How much of the neighbourhoods in feature space a map keeps."""

from __future__ import annotations

import numpy as np

SAMPLE = 2000  # items on which quality is measured: it compares all pairs
NEAR = 10


def quality(x: np.ndarray, xy: np.ndarray, seed: int = 0, k: int = NEAR) -> dict[str, float]:
    """Of a map ``xy`` (N, 2) of prepared features ``x`` (N, D), by Euclidean distance:

    ``trustworthiness``: 1 where no map neighbour is a stranger in feature space (Venna & Kaski
    2001, :func:`sklearn.manifold.trustworthiness`); ``preserved``: the share of the ``k`` nearest
    items by features that are among the k nearest on the map. ``chance``: what ``preserved`` is
    where points lie at random. Of more than :data:`SAMPLE` items that many are drawn, and
    neighbours are among these: ``k`` and ``items`` say which and how many.
    """
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    if len(x) > SAMPLE:
        drawn = np.random.default_rng([seed, len(x)]).choice(len(x), SAMPLE, replace=False)
        x, xy = x[np.sort(drawn)], xy[np.sort(drawn)]
    k = max(1, min(k, (len(x) - 1) // 2))
    near, there = (
        NearestNeighbors(n_neighbors=k).fit(v).kneighbors(return_distance=False) for v in (x, xy)
    )
    kept = np.mean([np.isin(a, b).mean() for a, b in zip(near, there)])
    return {
        "trustworthiness": float(trustworthiness(x, xy, n_neighbors=k)) if len(x) > 2 * k else 1.0,
        "preserved": float(kept),
        "chance": k / (len(x) - 1),
        "k": k,
        "items": len(x),
    }


def quality_text(of: dict[str, float]) -> str:
    """The numbers in a sentence."""
    among = f"measured among {of['items']:,} items" if of["items"] == SAMPLE else "of all items"
    return (
        f"Trustworthiness {of['trustworthiness']:.3f} (1 is best); of the {of['k']:.0f} nearest "
        f"items in feature space {of['preserved']:.0%} are among the {of['k']:.0f} nearest on the "
        f"map (by chance {of['chance']:.1%}), {among}."
    )
