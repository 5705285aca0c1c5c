"""The map of a feature set: coordinates, values of items, neighbours in feature space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from featprobe.core.display import Displayable
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.evaluation.levels import Column as Given
from featprobe.features.feature_set import FeatureSet
from featprobe.figures.embedding.columns import Column, of_items, of_table
from featprobe.figures.embedding.layouts import TITLES, Layout, layout, prepared
from featprobe.figures.embedding.quality import quality
from featprobe.neighbours.search import Bank, Search

MOST_PAIRS = 1_000_000  # items x neighbours that a map keeps: 4 MB in a page


@dataclass(frozen=True, repr=False)
class EmbeddingMap(Displayable):
    """Items of a feature set in the plane.

    ``rows`` (N,): which rows of the feature set these are; ``ids`` (N,) text; ``layouts``, each
    with (N, 2) coordinates; ``columns`` to colour by; ``near`` (N, k) int64: the nearest other
    items by features, nearest first, as positions in the map, None without; ``notes``: what a
    reader should know.
    """

    dataset: str
    backbone: str
    view: str
    metric: str
    ids: np.ndarray
    rows: np.ndarray
    layouts: list[Layout]
    columns: list[Column]
    near: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def facts(self) -> tuple[Sequence[str], dict[str, Any]]:
        methods = "+".join(f.method for f in self.layouts)
        return (self.dataset, self.backbone), {"items": len(self), "methods": methods}

    def column(self, name: str) -> Column:
        """The column of that name. Raises :class:`UnknownName`."""
        for found in self.columns:
            if found.name == name:
                return found
        known = [c.name for c in self.columns]
        raise UnknownName(
            f"the map has no column {name!r}.{nearest(name, known)} It has: {', '.join(known)}"
        )

    def to_frame(self) -> Any:
        """A pandas DataFrame, one row an item: its ``number`` in the page (from 1), ``id``,
        ``pca_x``, ``pca_y`` (and so on) of each layout, and every column."""
        import pandas as pd

        table: dict[str, Any] = {"number": self.rows + 1, "id": self.ids}
        for of in self.layouts:
            table |= {f"{of.method}_x": of.xy[:, 0], f"{of.method}_y": of.xy[:, 1]}
        for c in self.columns:
            table[c.name] = c.texts()
        return pd.DataFrame(table)


def embedding_map(
    features: FeatureSet, method: str | Sequence[str] = "pca", *, view: str | None = None,
    pool: str = "mean", metric: str = "cosine", seed: int = 0, sample: int | None = None,
    colours: Mapping[str, Given] | Sequence[str] = (), judged: Sequence[Column] = (),
    neighbours: int = 10,
) -> EmbeddingMap:  # fmt: skip
    """A map of a feature set.

    ``method``: ``pca``, ``tsne``, ``umap``, or several; ``view``, ``pool`` as of
    :meth:`FeatureSet.x <featprobe.features.feature_set.FeatureSet.x>`; ``metric``: what near means,
    ``cosine`` or ``l2``. ``sample``: so many items, drawn by ``seed``. ``colours``: columns of
    tables, ``FILE:COLUMN``, or names with mappings from ids. ``judged``: columns of right and wrong
    (:mod:`featprobe.figures.embedding.judged`). ``neighbours``: how many of each item are kept,
    0 for none; of more than :data:`MOST_PAIRS` in all none are, which is noted.

    The same features and seed give the same map. Raises :class:`InputError`,
    :class:`UnknownName` and :class:`MissingExtra`, as the parts do.
    """
    methods = [method] if isinstance(method, str) else list(dict.fromkeys(method))
    if not methods:
        raise InputError("a map needs a method: pca, tsne or umap")
    given = colours.items() if isinstance(colours, Mapping) else [(None, c) for c in colours]
    columns = of_items(features)
    columns += [of_table(c, features, name) for name, c in given]
    columns = _named_apart([*columns, *judged])
    rows, notes = np.arange(len(features)), []
    if sample is not None and sample < 4:
        raise InputError(f"a sample of {sample} items shows nothing: four are the least")
    if sample is not None and sample < len(rows):
        drawn = np.random.default_rng([seed, sample]).choice(len(rows), sample, replace=False)
        rows = np.sort(drawn)
        notes.append(f"{sample:,} of {len(features):,} items, drawn by seed {seed}.")
    if features.left_out:
        notes.append(f"{len(features.left_out)} items could not be read and are not on the map.")
    x = prepared(features.x(view, pool)[rows], metric)
    layouts = []
    for name in methods:
        made = layout(x, name, seed)
        found = quality(x, made.xy, seed)
        layouts.append(Layout(name, made.xy, made.settings, found))
    near, said = _near(x, neighbours)
    return EmbeddingMap(
        features.dataset, features.backbone, view or features.default_view, metric,
        features.ids[rows], rows, layouts, [_at(c, rows) for c in columns], near, notes + said,
    )  # fmt: skip


def _named_apart(columns: Sequence[Column]) -> list[Column]:
    """Columns of one name are numbered, those that a table of coordinates has too."""
    own = {"number", "id"} | {f"{m}_{axis}" for m in TITLES for axis in "xy"}
    out: dict[str, Column] = {}
    for c in columns:
        name, count = c.name, 1
        while name in out or name in own:
            count += 1
            name = f"{c.name} ({count})"
        out[name] = replace(c, name=name)
    return list(out.values())


def _near(x: np.ndarray, k: int) -> tuple[np.ndarray | None, list[str]]:
    k = min(k, len(x) - 1)
    if k < 1:
        return None, []
    if len(x) * k > MOST_PAIRS:
        return None, [
            f"Neighbours of {len(x):,} items, {k} each, are left out: a map keeps {MOST_PAIRS:,}."
        ]
    out = np.empty((len(x), k), np.int64)
    for at, _, found in Bank(x, Search(metric="l2")).others(k):
        out[at] = found
    return out, []


def _at(column: Column, rows: np.ndarray) -> Column:
    """A column of some items, without the names that none of them has."""
    if column.values is not None:
        return Column(column.name, values=column.values[rows], truth=column.truth)
    assert column.codes is not None
    codes = column.codes[rows]
    if not column.identity:  # classes keep their colours whichever items are drawn
        return Column(column.name, codes, column.names, truth=column.truth)
    kept, inverse = np.unique(codes[codes >= 0], return_inverse=True)
    moved = np.full(len(codes), -1, np.int64)
    moved[codes >= 0] = inverse
    return Column(column.name, moved, tuple(column.names[c] for c in kept), identity=True)
