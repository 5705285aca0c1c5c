"""Other labels for features that are stored already, attached by the ids of the items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.core.errors import InputError, MissingPath, StoreError, UnknownName, nearest
from featprobe.datasets.chosen_labels import choose_labels
from featprobe.datasets.columns import require_columns
from featprobe.datasets.manifest import add_labels
from featprobe.datasets.read_options import ReadOptions, read_map
from featprobe.datasets.texts import read_table
from featprobe.features.lookup import data_named
from featprobe.store.cache import CacheEntry, entries
from featprobe.store.format import Items
from featprobe.store.storage_path import StoragePath, Where

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Relabelled:
    """What became of one store.

    ``known``: items with a known label; ``missing``: items that the table lacks, unknown now;
    ``surplus``: ids of the table that are none of the store's. ``counts``: items of each class,
    positives of each label, or of the values ``lowest`` and ``highest``. ``notes``: how the labels
    of the table were read.
    """

    store: str
    changed: bool
    items: int
    known: int
    missing: int
    surplus: int
    task: str
    counts: dict[str, float]
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def relabel(
    cache: Where | StoragePath, name: str, targets: Path, id_column: str = "id",
    label: Sequence[str] = (), task: str | None = None, separator: str | None = None,
    uncertain: str | None = None, missing: Sequence[str] = (), labels: Sequence[str] = (),
    label_map: Mapping[str, str] | Sequence[str] = (),
) -> Iterator[Relabelled]:  # fmt: skip
    """Replace the labels of every store of a data set by those of a table.

    ``name``: of a data set in the cache, or of a store of it. ``targets``: a CSV, TSV or Parquet
    table with ids in ``id_column``; ``label``, ``task``, ``separator``, ``uncertain``,
    ``missing``, ``labels`` and ``label_map`` as in
    :class:`~featprobe.datasets.read_options.ReadOptions`. Features, patients and
    split stay as they are; a store then equals one extracted with these labels from the start.

    The table is looked at for every store before the first is changed. Raises :class:`UnknownName`
    for names that are not there, :class:`InputError` for a table that does not fit,
    :class:`StoreError` for a damaged store.
    """
    if not targets.is_file():
        raise MissingPath(f"{targets}: no such table")
    table = read_table(targets)
    require_columns(targets, table.columns, [id_column], "Name the one of the item ids with --id")
    ids = table[id_column].str.strip()
    if ids.duplicated().any():
        raise InputError(f"{targets}: item {ids[ids.duplicated()].iloc[0]!r} occurs twice")
    table[id_column] = ids
    reading = ReadOptions(
        tuple(label), task=task, separator=separator, uncertain=uncertain, missing=tuple(missing),
        labels=tuple(labels), label_map=read_map("label_map", label_map, "mild=referable"),
    )  # fmt: skip
    made = []
    for entry in _stores(cache, name):
        if entry.store is None:
            raise StoreError(entry.error)
        old = entry.store.items()
        made.append((entry.store, *_labelled(old, targets, table, id_column, reading)))
    for store, items, notes in made:
        changed = store.set_items(items)
        shared = int(np.isin(items.ids, ids).sum())
        yield Relabelled(
            store.path.name, changed, len(items.ids), _known(items), len(items.ids) - shared,
            len(ids) - shared, str(items.task), _counts(items), notes,
        )  # fmt: skip


def _stores(cache: Where | StoragePath, name: str) -> list[CacheEntry]:
    """All stores of the data set of that name, or of the one that a store of that name is of."""
    known = list(entries(cache))
    of = {e.path.parent.name for e in known if name in (e.path.name, e.path.stem)}
    of |= {e.path.parent.name for e in known if e.path.stem.endswith(f"-{name}")}
    there = sorted({e.path.parent.name for e in known})
    of = {data_named(name, there)} & set(there) or of
    if not of:
        raise UnknownName(
            f"no features of {name!r} in {cache}.{nearest(name, there)} There: "
            f"{', '.join(there) or 'nothing'}"
        )
    if len(of) > 1:
        raise InputError(f"{name!r} is a store of {' and '.join(sorted(of))}; name the data set")
    return [e for e in known if e.path.parent.name in of]


def _labelled(
    items: Items, path: Path, table: pandas.DataFrame, id_column: str, reading: ReadOptions
) -> tuple[Items, list[str]]:
    """The table of items with the labels of the file, unknown where it has none; what is told."""
    place = {str(i): row for row, i in enumerate(items.ids)}
    part = table[table[id_column].isin(place)]
    if not len(part):
        raise InputError(
            f"{path}: none of its {len(table)} ids ({table[id_column].iloc[0]!r}, ...) is an item "
            f"of the store ({str(items.ids[0])!r}, ...)"
        )
    rows = np.array([place[i] for i in part[id_column]])
    found = replace(items, targets=None, task=None, classes=())
    notes = add_labels(path, part, found, reading, used=[id_column])
    if found.targets is None:
        raise InputError(f"{path}: no column of labels; name one, or several, with --label")
    notes += choose_labels(found, reading.labels, reading.label_map)
    unknown = -1 if found.targets.dtype.kind == "i" else np.nan
    targets = np.full((len(items.ids), *found.targets.shape[1:]), unknown, found.targets.dtype)
    targets[rows] = found.targets
    return replace(found, targets=targets), notes


def _known(items: Items) -> int:
    y = items.targets
    assert y is not None
    if y.ndim == 2:
        return int((~np.isnan(y)).any(1).sum())
    return int((~np.isnan(y)).sum() if y.dtype.kind == "f" else (y >= 0).sum())


def _counts(items: Items) -> dict[str, float]:
    y = items.targets
    assert y is not None
    if items.task == "regression":
        known = y[~np.isnan(y)]
        return {"lowest": float(known.min()), "highest": float(known.max())} if len(known) else {}
    each = (y == 1).sum(0) if y.ndim == 2 else [(y == c).sum() for c in range(len(items.classes))]
    return {c: int(n) for c, n in zip(items.classes, each)}
