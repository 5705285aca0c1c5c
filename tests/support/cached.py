"""A complete store in the cache of features that a test makes, without a backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from featprobe.features.feature_set import FeatureSet
from featprobe.store.cache import store_path
from featprobe.store.containers import create_store
from featprobe.store.format import FeatureKey, Layout
from featprobe.testing.cases import fill, make_items, make_key


def cached(
    cache: Path,
    arrays: dict[str, np.ndarray],
    y: np.ndarray,
    *,
    dataset: str = "films",
    backbone: str = "net",
    key: FeatureKey | None = None,
    **columns: Any,
) -> FeatureSet:
    """One frame an item: ``arrays`` (N, D) of each output, targets, and other columns of items."""
    n = len(y)
    if "classes" not in columns:
        columns["classes"] = tuple("abcdefgh"[: int(y.max()) + 1])
    stored = {name: x.astype(np.float32)[:, None] for name, x in arrays.items()}
    outputs = dict.fromkeys(arrays, 1)
    key = key or make_key(outputs=outputs, dtype="float32", weights=backbone)
    layout = Layout(n, n, {name: x.shape[1:] for name, x in stored.items()})
    store = create_store(
        "zarr", store_path(cache, dataset, backbone, key.digest), key, layout, np.arange(n),
        np.zeros(n, int), make_items(n, targets=y, **columns),
        {"dataset": dataset, "backbone": backbone}, {"random": True},
    )  # fmt: skip
    fill(store, stored)
    store.finish({})
    return FeatureSet(store)
