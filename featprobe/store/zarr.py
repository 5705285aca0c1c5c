"""The feature store in zarr version 3."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

from featprobe.errors import InputError, MissingPath, StoreError, reason
from featprobe.store.format import (
    FAILED,
    FORMAT_VERSION,
    PENDING,
    FeatureKey,
    Items,
    Layout,
)

SUFFIX = ".zarr"
_COLUMNS = ("ids", "groups", "split")


class ZarrStore:
    """One store on disk: features by frame, their status, the table of items.

    A shard is one chunk of every array. Its features are written first, each chunk file whole and
    renamed into place, and its chunk of ``status`` last: that is the commit.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self._group = path, group
        a: dict[str, Any] = dict(group.attrs)
        self.attributes = a
        self.key = FeatureKey(**a["key"])
        self.dataset: str = a["dataset"]
        self.backbone: str = a["backbone"]
        self.layout = Layout(
            a["frames"], a["shard"], {n: tuple(map(int, v)) for n, v in a["arrays"].items()}
        )

    @classmethod
    def create(
        cls,
        path: Path,
        key: FeatureKey,
        layout: Layout,
        frame_item: np.ndarray,
        frame_index: np.ndarray,
        items: Items,
        names: Mapping[str, str],
        provenance: Mapping[str, Any],
    ) -> ZarrStore:
        """Lay out an empty store. It appears under its path complete or not at all.

        ``frame_item``, ``frame_index`` (F,): the item of each frame and its number within it.
        ``names``: ``dataset`` and ``backbone``. Raises :class:`InputError` when the place cannot
        be written.
        """
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            group = zarr.open_group(temporary, mode="w-", zarr_format=3)
            for name, shape in layout.arrays.items():
                _array(group, name, (layout.frames, *shape), (layout.shard, *shape), key.dtype)
            frames = (layout.frames,)
            _array(group, "status", frames, (layout.shard,), "uint8")
            group.create_array("reason", shape=frames, chunks=(layout.shard,), dtype=str)
            _whole(group, "frame_item", frame_item.astype(np.int64))
            _whole(group, "frame_index", frame_index.astype(np.int32))
            group.attrs.update(
                {
                    "featprobe": FORMAT_VERSION,
                    **names,
                    "key": key.to_dict(),
                    "frames": layout.frames,
                    "shard": layout.shard,
                    "arrays": {n: list(s) for n, s in layout.arrays.items()},
                    "provenance": dict(provenance),
                }
            )
            store = cls(temporary, group)
            store.set_items(items)
            os.rename(temporary, path)
        except OSError as error:
            if path.exists():  # another process was first; its layout is the same
                return cls.open(path, key)
            raise InputError(f"{path.parent}: cannot be written: {reason(error)}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return cls.open(path, key)

    @classmethod
    def open(cls, path: Path, key: FeatureKey | None = None) -> ZarrStore:
        """Open a store for reading and writing.

        Raises :class:`MissingPath`, or :class:`StoreError` for another format version, a damaged
        index, or, where ``key`` is given, a key that differs.
        """
        if not path.exists():
            raise MissingPath(f"{path}: no such feature store")
        try:
            group = zarr.open_group(path, mode="r+", zarr_format=3)
            version = group.attrs.get("featprobe")
            if version != FORMAT_VERSION:
                raise StoreError(
                    f"{path}: format version {version!r}; this featprobe reads {FORMAT_VERSION}"
                )
            store = cls(path, group)
        except StoreError:
            raise
        except Exception as error:  # zarr, JSON and key errors of a damaged index
            raise StoreError(
                f"{path}: not a readable feature store ({reason(error)}); "
                f"'featprobe cache rm {path.stem}' removes it"
            ) from error
        if key is not None and store.key != key:
            fields = ", ".join(key.differences(store.key.to_dict()))
            raise StoreError(
                f"{path}: holds features of another key (different: {fields}); not read"
            )
        return store

    # -- frames ---------------------------------------------------------------------------------

    def status(self) -> np.ndarray:
        """(F,) uint8: 0 pending, 1 done, 2 failed."""
        return self._read("status")

    def reasons(self) -> np.ndarray:
        """(F,) text: why a frame failed, a note on one that did not, or empty."""
        return self._text("reason")

    def pending(self, retry_failed: bool = False) -> list[int]:
        """Shards with frames still to be extracted, in order."""
        status = self.status()
        wanted = status == PENDING
        if retry_failed:
            wanted |= status == FAILED
        return np.unique(np.flatnonzero(wanted) // self.layout.shard).tolist()

    @property
    def complete(self) -> bool:
        """No frame is pending."""
        return bool(self.attributes.get("complete")) or not self.pending()

    def write_shard(
        self, shard: int, arrays: Mapping[str, np.ndarray], status: np.ndarray, reasons: list[str]
    ) -> None:
        """Write the features (n, L, D) of a shard, then commit its status."""
        start, stop = self.layout.bounds(shard)
        try:
            for name, values in arrays.items():
                self._at(name)[start:stop] = values
            if any(reasons):
                self._at("reason")[start:stop] = np.array(reasons)
            self._at("status")[start:stop] = status
        except OSError as error:
            raise StoreError(
                f"{self.path}: shard {shard} cannot be written: {reason(error)}; what is committed "
                "stays, and the same command goes on from there"
            ) from error

    def read(self, name: str, blocks: int | None = None) -> np.ndarray:
        """Features (F, L, D) of one output as stored; ``blocks`` takes the last ones only."""
        have = self.layout.arrays[name][0]
        return self._read(name, (slice(None), slice(have - (blocks or have), have)))

    def touch(self) -> None:
        """Mark as used now: of stores of changed data, the one last used counts."""
        with contextlib.suppress(OSError):  # a cache that cannot be written is still read
            os.utime(self.path / "zarr.json")

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Mark the store complete, with the summary of the run that completed it."""
        self._update({"complete": True, "summary": dict(summary)})

    # -- items ----------------------------------------------------------------------------------

    def frame_item(self) -> np.ndarray:
        """(F,) item of each frame, non-decreasing."""
        return self._read("frame_item")

    def frame_index(self) -> np.ndarray:
        """(F,) number of each frame within its item."""
        return self._read("frame_index")

    def items(self) -> Items:
        """The table of items."""
        where = self.attributes["items"]
        group = self._group[where]
        assert isinstance(group, zarr.Group)
        a: dict[str, Any] = dict(group.attrs)
        columns: dict[str, Any] = {n: self._text(f"{where}/{n}") for n in _COLUMNS}
        targets = self._read(f"{where}/targets") if a["task"] else None
        return Items(**columns, targets=targets, **{**a, "classes": tuple(a["classes"])})

    def set_items(self, items: Items) -> bool:
        """Store the table of items; True when it replaced a different one.

        The new table is written beside the old one, and one rename of the attributes switches over.
        """
        name = f"items-{items.labels_digest[:12]}"
        if self.attributes.get("items") == name:
            return False
        group = self._group.require_group(name)
        for column in _COLUMNS:
            values = getattr(items, column)
            if column not in group:
                group.create_array(column, shape=values.shape, chunks=values.shape, dtype=str)
            self._at(f"{name}/{column}")[:] = values
        if items.targets is not None and "targets" not in group:
            _whole(group, "targets", items.targets)
        group.attrs.update(
            {
                "task": items.task,
                "classes": list(items.classes),
                "group_origin": items.group_origin,
                "split_origin": items.split_origin,
            }
        )
        old = self.attributes.get("items")
        self._update({"items": name})
        if old:
            del self._group[old]
        return bool(old)

    # -- zarr -----------------------------------------------------------------------------------

    def _update(self, values: Mapping[str, Any]) -> None:
        self._group.attrs.update(dict(values))
        self.attributes |= values

    def _at(self, name: str) -> zarr.Array:
        array = self._group[name]
        assert isinstance(array, zarr.Array)
        return array

    def _text(self, name: str) -> np.ndarray:
        return np.array(self._read(name).tolist(), dtype=np.str_)

    def _read(self, name: str, selection: Any = slice(None)) -> np.ndarray:
        try:
            return np.asarray(self._at(name)[selection])
        except Exception as error:  # a checksum, a cut file, a missing array
            raise StoreError(
                f"{self.path}: {name} cannot be read ({reason(error)}); the store is damaged: "
                "remove it with 'featprobe cache rm' and extract again"
            ) from error


def _array(
    group: zarr.Group, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str
) -> zarr.Array:
    """An uncompressed array with a checksum in every chunk (features hardly compress)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return group.create_array(
            name, shape=shape, chunks=chunks, dtype=dtype, compressors=[Crc32cCodec()],
            filters=None, fill_value=0, config={"write_empty_chunks": True},
        )  # fmt: skip


def _whole(group: zarr.Group, name: str, values: np.ndarray) -> None:
    """A small array in one chunk."""
    shape = tuple(max(1, n) for n in values.shape)
    _array(group, name, values.shape, shape, values.dtype.name)[:] = values
