"""The metadata of a store's arrays in zarr, written anew from its layout; no chunk is touched."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.store.chunks import Damaged, crc32c
from featprobe.store.format import COLUMNS
from featprobe.store.storage_path import aside
from featprobe.store.zarr_layout import Meta, checked, decode, lay, lay_shards

if TYPE_CHECKING:
    import zarr

    from featprobe.store.base import FeatureStore

META = "zarr.json"
COMPRESSING = {"zstd", "gzip", "blosc", "crc32c"}
LOOKED_AT = 3  # shards of which a chunk is read to see whether metadata fit


def mend(store: FeatureStore, about: Mapping[str, Any]) -> list[str]:
    """Write what is damaged; the files that were, by their path in the store.

    ``about``: what the table of items is of, empty where nobody knows. Raises ``PermissionError``
    for a file that may not be read: that is no damage.
    """
    import zarr

    made = []
    with aside(store.path) as folder:
        group = zarr.open_group(folder, mode="w", zarr_format=3)
        lay_shards(group, store.layout, store.key.dtype)
        for name, dtype in (("frame_item", "int64"), ("frame_index", "int32")):
            _lay_whole(group, name, (store.layout.frames,), dtype)
        table = store.attributes.get("items")
        if table and about:
            _lay_table(group.create_group(table), store, table, about)
        for file in sorted(folder.rglob(META)):
            name = file.parent.relative_to(folder).as_posix()
            if name in (".", table):
                continue
            found, good = _found(store, name), _good(store, name, json.loads(file.read_text()))
            if good is not None and found != good:
                (store.path / name / META).write(json.dumps(good, indent=2).encode())
                made.append(f"{name}/{META}")
        if table and about and _attributes(_found(store, table)) != dict(about):
            whole = {"attributes": dict(about), "zarr_format": 3, "node_type": "group"}
            (store.path / table / META).write(json.dumps(whole, indent=2).encode())
            made.append(f"{table}/{META}")
    return made


def _attributes(found: Any) -> Any:
    return found.get("attributes") if isinstance(found, dict) else None


def _found(store: FeatureStore, name: str) -> Any:
    """The metadata that are there as JSON, None where they are not."""
    try:
        return json.loads((store.path / name / META).read())
    except PermissionError:
        raise
    except (OSError, ValueError):
        return None


def _good(store: FeatureStore, name: str, laid: dict[str, Any]) -> Any:
    """Metadata by which the chunks of an array are read: as it is laid out now, or was before.

    Those that are there where neither fits and they do, None where nothing does.
    """
    found = _found(store, name)
    variants = [laid | {"chunk_key_encoding": e} for e in _encodings(laid)]
    if found in variants:
        variants.insert(0, found)  # before any chunk is there, all of them fit
    elif isinstance(found, dict) and _is_compressed(found, laid):
        variants.insert(0, found)  # text of earlier versions
    return next((v for v in variants if _fits(store, name, v)), None)


def _encodings(laid: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield laid["chunk_key_encoding"]
    for separator in "./":
        yield {"name": "default", "configuration": {"separator": separator}}


def _is_compressed(found: dict[str, Any], laid: dict[str, Any]) -> bool:
    with contextlib.suppress(Exception):  # whatever damage makes of JSON
        a, b = Meta(found), Meta(laid)
        same = (a.shape, a.chunk, found["data_type"]) == (b.shape, b.chunk, laid["data_type"])
        known = a.codecs[0] == "vlen-utf8" and {*a.codecs[1:]} <= COMPRESSING
        return same and known and a.codecs != b.codecs and found["data_type"] == "string"
    return False


def _fits(store: FeatureStore, name: str, values: dict[str, Any]) -> bool:
    """Whether chunks that are there are found and sound by these metadata."""
    try:
        meta, array = Meta(values), store.path / name
        shards = [0] if meta.shape[0] <= meta.chunk[0] else sorted(store.committed())[:LOOKED_AT]
        files = [meta.file(array, shard) for shard in shards]
        read = [f.read() for f in files if f.exists()]
        if not read:  # nothing to be lost, unless it lies elsewhere
            return not any(n != META for n, _ in array.files())
        if meta.codecs == ("vlen-utf8", "crc32c"):
            return all(decode(checked(data)) is not None for data in read)
        if not meta.raw:
            return True  # zarr's own to check, when it reads them
        return any(
            len(data) == meta.bytes + 4 and crc32c(data[:-4]) == int.from_bytes(data[-4:], "little")
            for data in read
        )
    except PermissionError:
        raise
    except Exception:  # metadata that say nonsense
        return False


def _lay_whole(group: zarr.Group, name: str, shape: tuple[int, ...], dtype: str) -> None:
    lay(group, name, shape, tuple(max(1, n) for n in shape), dtype)


def _lay_table(
    group: zarr.Group, store: FeatureStore, table: str, about: Mapping[str, Any]
) -> None:
    """The columns of a table; nothing where nobody knows how many rows it has."""
    try:  # items in the order of their frames, of which each has one at the least
        item = checked((store.path / "frame_item" / "c" / "0").read())
    except PermissionError:
        raise
    except (OSError, Damaged):
        return
    n = int(np.frombuffer(item, "<i8")[-1]) + 1 if item else 0
    for column in COLUMNS:
        _lay_whole(group, column, (n,), "string")
    if about["task"]:
        several = about["task"] == "multilabel"
        whole = about["task"] in ("multiclass", "ordinal")
        shape = (n, len(about["classes"])) if several else (n,)
        _lay_whole(group, "targets", shape, "int64" if whole else "float64")
