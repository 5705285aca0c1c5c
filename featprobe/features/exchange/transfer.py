"""Stores to other files, and other files to stores."""

from __future__ import annotations

from typing import Any

import numpy as np

from featprobe.core.atomic import written_aside
from featprobe.core.errors import FeatprobeError, InputError, MissingPath, reason
from featprobe.core.options import taking_its_kinds
from featprobe.core.paths import expanded
from featprobe.features.exchange import foreign
from featprobe.features.exchange.files import WRITERS, Bundle, read, read_csv, unchanged
from featprobe.features.exchange.plugins import importer
from featprobe.store.base import FeatureStore
from featprobe.store.cache import store_path
from featprobe.store.containers import SUFFIXES, container
from featprobe.store.format import COLUMNS, FeatureKey, Items, Layout, plan_shard
from featprobe.store.locate import storage_path
from featprobe.store.storage_path import StoragePath, Where

FORMATS = (*WRITERS, *SUFFIXES)


def export(store: FeatureStore, to: str, out: Where | StoragePath) -> StoragePath:
    """Write a complete store as ``npy`` (a folder), ``parquet``, ``safetensors`` (a file), ``zarr``
    or ``hdf5`` (the other container, of the same key).

    Ids, labels, groups and split travel along, so that :func:`load` gives the same store back.
    Raises :class:`InputError` when the store is incomplete or ``out`` is there already.
    """
    where = storage_path(out)
    if to not in FORMATS:
        raise InputError(f"unknown format {to!r}: use one of {', '.join(FORMATS)}")
    if not store.complete:
        raise InputError(f"{store.path}: incomplete; run its extract again, then export")
    if where.exists():
        raise InputError(f"{where}: is there already; remove it or choose another name")
    if to in SUFFIXES:
        _copy(store, to, where)
        return where
    path = where.local
    if path is None:
        raise InputError(f"{where}: {to} goes to a path on this machine, only stores to addresses")
    attributes = store.attributes
    bundle = Bundle(
        {n: store.read(n) for n in store.layout.arrays}, store.frame_item(), store.frame_index(),
        store.status(), store.reasons(), store.items(),
        {n: attributes[n] for n in ("dataset", "backbone", "key", "shard", "provenance")},
    )  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside:
            WRITERS[to](bundle, aside)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    return where


@taking_its_kinds
def load(
    path: Where, cache: Where, *, name: str | None = None, backbone: str | None = None,
    items: Where | None = None, kind: str = "zarr", format: str | None = None,
) -> FeatureStore:  # fmt: skip
    """Bring exported features, or features made elsewhere, into the cache as a store.

    Made elsewhere: a folder of ``.npy``, one ``.npy``, a safetensors or a Parquet file whose arrays
    are (rows, D), (rows, blocks, D) or tokens, and a table with one line a row: ``items`` (CSV),
    the folder's ``items.csv``, or the other columns of the Parquet file. Its column ``id`` names
    the item (neighbouring rows with the same id are its frames); ``group``, ``split`` and
    ``label``, or several label columns of 0, 1 and blanks, are optional. ``name`` and ``backbone``
    say what they are of. ``format``: the importer of another package that reads ``path``, by
    default the one that is for its suffix, if any.

    Raises :class:`InputError` for what does not fit together.
    """
    source = expanded(path)
    if not source.exists():
        raise MissingPath(f"{source}: no such file or folder")
    other = importer(source, format)
    try:
        arrays, columns, header = (*other.read(source), None) if other else read(source)
        made = None if header is None else _exported(arrays, header)
    except FeatprobeError:
        raise
    except Exception as error:  # numpy, safetensors and pyarrow have errors of many kinds
        raise InputError(f"{source}: not readable features: {reason(error)}") from error
    if header is not None:
        for option, value in (("name", name), ("backbone", backbone), ("items", items)):
            if value is not None:
                raise InputError(
                    f"{source}: 'featprobe export' wrote it, and it says of what it is; leave out "
                    f"--{option}"
                )
    if made is None:
        table = expanded(items) if items else None
        made = foreign.bundle(source, arrays, read_csv(table) if table else columns, name, backbone)
    return _store(made, cache, kind)


def _copy(store: FeatureStore, kind: str, where: StoragePath) -> None:
    a = store.attributes
    made = container(kind).create(
        where, store.key, store.layout, store.frame_item(), store.frame_index(), store.items(),
        {n: a[n] for n in ("dataset", "backbone")}, a["provenance"],
    )  # fmt: skip
    status, reasons = store.status(), store.reasons()
    for shard in made.pending():
        part = slice(*made.layout.bounds(shard))
        rows = {n: store.read(n, frames=part) for n in store.layout.arrays}
        texts = [reasons.get(f, "") for f in range(part.start, part.stop)]
        made.write_shard(shard, rows, status[part], texts)
    made.finish(a.get("summary", {}))


def _store(b: Bundle, cache: Where, kind: str) -> FeatureStore:
    key = FeatureKey(**b.about["key"])
    shapes = {n: v.shape[1:] for n, v in b.arrays.items()}
    shard = b.about.get("shard") or plan_shard(len(b.frame_item), shapes, key.dtype, 128)
    made = container(kind).create(
        store_path(cache, b.about["dataset"], b.about["backbone"], key.digest, kind), key,
        Layout(len(b.frame_item), shard, shapes), b.frame_item, b.frame_index, b.items,
        {n: b.about[n] for n in ("dataset", "backbone")}, b.about["provenance"],
    )  # fmt: skip
    made.set_items(b.items)
    for s in made.pending():
        first, last = made.layout.bounds(s)
        rows = {n: v[first:last] for n, v in b.arrays.items()}
        texts = [b.reasons.get(f, "") for f in range(first, last)]
        made.write_shard(s, rows, b.status[first:last], texts)
    made.finish({"imported": True})
    made.touch()
    return made


def _exported(arrays: dict[str, np.ndarray], h: dict[str, Any]) -> Bundle:
    unchanged(h, arrays)
    h = {**h, "items": dict(h["items"]), "reasons": dict(h["reasons"])}
    t = h.pop("items")
    texts = {n: np.array(t.pop(n), dtype=np.str_) for n in COLUMNS}
    outputs = {n: arrays[n] for n in h["key"]["outputs"]}
    targets = arrays.get("targets")
    index = [arrays[n] for n in ("frame_item", "frame_index", "status")]
    if len({len(v) for v in (*outputs.values(), *index)}) > 1:
        raise ValueError("its arrays are not of one length")
    FeatureKey(**h["key"])
    return Bundle(
        outputs, index[0], index[1], index[2],
        {int(f): text for f, text in h.pop("reasons").items()}, Items.made(texts, targets, t), h,
    )  # fmt: skip
