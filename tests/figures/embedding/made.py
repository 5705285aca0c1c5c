"""Feature sets of a few clusters, and maps of them."""

from __future__ import annotations

import numpy as np

from featprobe.features.feature_set import FeatureSet
from featprobe.figures.embedding.embedding_map import EmbeddingMap
from featprobe.figures.embedding.layouts import Layout


def clusters(
    n: int = 90, width: int = 8, classes: tuple[str, ...] = ("a", "b", "c"), **more
) -> FeatureSet:
    """Items in as many clusters as classes, three of a patient."""
    rng = np.random.default_rng(3)
    y = np.arange(n) % len(classes)
    x = 4 * np.eye(len(classes), width)[y] + rng.normal(size=(n, width)) + 2
    given = {
        "ids": [f"film-{i:04d}" for i in range(n)],
        "groups": [f"Doe^Jane {i // 3}" for i in range(n)],
        "split": np.where(np.arange(n) // 3 % 4 == 0, "test", "train"),
        "dataset": "films", "backbone": "net",
    } | more  # fmt: skip
    return FeatureSet.from_arrays(x, y, classes=classes, task="multiclass", **given)


def large(n: int = 100_000, k: int = 10, classes: int = 8) -> EmbeddingMap:
    """A map of that size, made up whole: nothing is embedded or searched."""
    from featprobe.figures.embedding.columns import Column

    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, n)
    xy = rng.normal(size=(n, 2)) + 6 * rng.normal(size=(classes, 2))[y]
    patients = n // 4
    columns = [
        Column("label", y, tuple(f"class {c}" for c in range(classes)), truth=True),
        Column("split", rng.integers(0, 3, n), ("test", "train", "val")),
        Column("patient", rng.integers(0, patients, n),
               tuple(f"p{i}" for i in range(patients)), identity=True),
        Column("age", values=rng.integers(20, 90, n).astype(np.float32)),
    ]  # fmt: skip
    quality = {"trustworthiness": 0.9, "preserved": 0.3, "chance": 0.005, "k": 10, "items": 2000}
    return EmbeddingMap(
        "films", "net", "cls", "cosine", np.array([f"i{i}" for i in range(n)]), np.arange(n),
        [Layout("pca", xy.astype(np.float32), {"variance": [0.3, 0.2]}, quality)], columns,
        rng.integers(0, n, (n, k)) if k else None,
    )  # fmt: skip
