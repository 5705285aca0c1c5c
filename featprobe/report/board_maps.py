"""The maps of a page of results: of each data set the features of its first row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from featprobe.core.errors import FeatprobeError
from featprobe.features.feature_set import FeatureSet
from featprobe.figures.embedding.embedding_map import EmbeddingMap, embedding_map
from featprobe.figures.embedding.judged import by_result
from featprobe.leaderboard.board import Row
from featprobe.store.cache import entries
from featprobe.store.storage_path import StoragePath, Where

MOST = 5000  # items of one of several maps in a page; of more so many are drawn


def board_maps(
    board: Sequence[Row], cache: Path, stores: Where | StoragePath, methods: Sequence[str]
) -> tuple[list[EmbeddingMap], list[str]]:
    """A map of each data set of a leaderboard, and what to say of those without one.

    It is of the features of the highest row whose store is there, in that row's view, and says
    which of its test items were predicted wrongly. ``stores``: where features are kept. Raises
    :class:`~featprobe.core.errors.MissingExtra` where a method is not installed.
    """
    found = [e.store for e in entries(stores) if e.store is not None]
    there = {(s.dataset, s.key.digest): s for s in found if s.complete}
    maps, notes = [], []
    for dataset in dict.fromkeys(row.result.dataset for row in board):
        own = [row.result for row in board if row.result.dataset == dataset]
        kept = [r for r in own if (dataset, r.key) in there]
        if not kept:
            notes.append(f"no map of {dataset}: no features of its results are in the cache")
            continue
        best = kept[0]
        features = FeatureSet(there[dataset, best.key])
        try:
            judged = [by_result(features, cache, best)]
        except FeatprobeError as error:  # of patients, or scores are gone: a map is there without
            judged = []
            notes.append(f"map of {dataset} without right and wrong: {error}")
        try:
            made = embedding_map(
                features, methods, view=best.view, pool=best.pool, sample=MOST, judged=judged
            )
        except ImportError:
            raise
        except FeatprobeError as error:
            notes.append(f"no map of {dataset}: {error}")
            continue
        maps.append(made)
    return maps, notes
