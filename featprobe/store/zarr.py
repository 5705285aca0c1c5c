"""The feature store in zarr version 3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.store.base import FeatureStore
from featprobe.store.chunks import Chunk, Damaged, crc32c, raw
from featprobe.store.container import STATUS, table_name
from featprobe.store.damage import damaged
from featprobe.store.format import COLUMNS, FeatureKey, Items, Layout
from featprobe.store.storage_path import LocalPath, StoragePath, aside
from featprobe.store.zarr_layout import (
    Meta,
    checked,
    decode,
    encode,
    lay_shards,
    whole,
    write_table,
    zarr_place,
)

if TYPE_CHECKING:
    import zarr

SUFFIX = ".zarr"
META = "zarr.json"


class ZarrStore(FeatureStore):
    """A store as a zarr group, which any reader of zarr opens.

    A shard is one chunk of every array. Its features are written first, each chunk file whole and
    renamed into place, and its chunk of ``status`` last: that is the commit.

    Chunks are raw bytes and a crc32c, so they are read and written here directly; zarr itself makes
    the metadata, and reads arrays of another layout.
    """

    kind = "zarr"
    suffix = SUFFIX

    def __init__(self, path: StoragePath, attributes: dict[str, Any]) -> None:
        super().__init__(path, attributes)
        self._metas: dict[str, Meta] = {}

    # -- attributes -----------------------------------------------------------------------------

    @classmethod
    def _attributes(cls, where: StoragePath) -> dict[str, Any]:
        attributes: dict[str, Any] = json.loads((where / META).read())["attributes"]
        return attributes

    def _put_attributes(self, attributes: Mapping[str, Any]) -> None:
        document = {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"}
        (self.path / META).write(json.dumps(document, indent=2).encode())

    # -- laying out -----------------------------------------------------------------------------

    @classmethod
    def _lay_out(
        cls, where: StoragePath, key: FeatureKey, layout: Layout, index: Mapping[str, np.ndarray],
        items: Items, attributes: Mapping[str, Any],
    ) -> None:  # fmt: skip
        import zarr

        with aside(where) as folder:
            group = zarr.open_group(folder, mode="w", zarr_format=3)
            lay_shards(group, layout, key.dtype)
            for name, values in index.items():
                whole(group, name, values)
            write_table(group.create_group(table_name(items)), items)
            group.attrs.update(dict(attributes))
            where.adopt(folder, META)

    # -- shards ---------------------------------------------------------------------------------

    def committed(self) -> set[int]:
        return self._listed(STATUS)

    def _listed(self, name: str) -> set[int]:
        """Chunks that there are, of an array along the frames alone."""
        found = (self.path / name / "c").filled()
        return {int(n) for n in found if n.isdecimal() and int(n) < self.layout.shards}

    def _chunk(self, name: str, shard: int) -> Chunk | None:
        meta = self._meta(name)
        where = meta.file(self.path / name, shard)
        if name == STATUS and not where.size():
            return None
        if not meta.raw:
            raise Damaged("is not laid out as featprobe does")
        return Chunk(where, 0, meta.bytes)

    def _put(
        self, shard: int, arrays: Mapping[str, np.ndarray], status: np.ndarray, reasons: list[str]
    ) -> None:
        """Features are on the disk before their status is there at all.

        Status is not waited for: a power failure loses it, or leaves an empty file, and the shard
        is extracted again.
        """
        self._drop(shard)
        for name, values in arrays.items():
            self._put_chunk(name, shard, self._padded(values))
        if any(reasons):
            texts = [*reasons, *[""] * (self.layout.shard - len(reasons))]
            if self._meta("reason").codecs == ("vlen-utf8", "crc32c"):
                self._put_chunk("reason", shard, np.frombuffer(encode(texts), np.uint8))
            else:
                start, stop = self.layout.bounds(shard)
                self._zarr("reason")[start:stop] = np.array(reasons)
        self._put_chunk(STATUS, shard, self._padded(status), sync=False)

    def _padded(self, values: np.ndarray) -> np.ndarray:
        """The rows of a chunk: zarr keeps the last one whole."""
        missing = self.layout.shard - len(values)
        if not missing:
            return values
        return np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])

    def _put_chunk(self, name: str, shard: int, values: np.ndarray, sync: bool = True) -> None:
        data = raw(values)
        check = crc32c(data).to_bytes(4, "little")
        self._meta(name).file(self.path / name, shard).write(data, check, sync=sync)

    def _drop(self, shard: int) -> None:
        """The commit first, so that a shard is never half there."""
        self._meta(STATUS).file(self.path / STATUS, shard).remove()
        self._meta("reason").file(self.path / "reason", shard).remove()

    def _shards_with_reasons(self) -> list[int]:
        listed = self._listed("reason")
        return sorted(listed if self.attributes.get("complete") else listed & self.committed())

    def _shard_reasons(self, shard: int) -> list[str]:
        start, stop = self.layout.bounds(shard)
        meta = self._meta("reason")
        if meta.codecs != ("vlen-utf8", "crc32c"):
            return np.asarray(self._zarr("reason")[start:stop]).tolist()
        where = meta.file(self.path / "reason", shard)
        return decode(checked(where.read()))[: stop - start] if where.exists() else []

    def _mend(self, about: Mapping[str, Any]) -> list[str]:
        from featprobe.store.zarr_mending import mend

        self._metas.clear()
        return mend(self, about)

    # -- tables ---------------------------------------------------------------------------------

    def _frame_index(self, name: str) -> np.ndarray:
        values = self._small(name)
        if len(values) != self.layout.frames:
            raise Damaged("has another length")
        return values

    def _small(self, name: str) -> np.ndarray:
        """An array in one chunk."""
        meta = self._meta(name, whole=True)
        if meta.codecs == ("vlen-utf8", "crc32c"):
            texts = decode(checked(meta.file(self.path / name, 0).read())) if meta.shape[0] else []
            return np.array(texts, dtype=np.str_)
        if not meta.raw:
            values = np.asarray(self._zarr(name)[:])
            return np.array(values.tolist(), np.str_) if values.dtype.kind in "OT" else values
        out = np.empty(meta.shape, meta.dtype)
        if out.size:
            Chunk(meta.file(self.path / name, 0), 0, out.nbytes).fill(raw(out))
        return out

    def _table(self, name: str) -> Items:
        about = json.loads((self.path / name / META).read())["attributes"]
        columns = {n: self._small(f"{name}/{n}") for n in COLUMNS}
        targets = self._small(f"{name}/targets") if about["task"] else None
        return Items.made(columns, targets, about)

    def _put_index(self, index: Mapping[str, np.ndarray]) -> None:
        import zarr

        with aside(self.path) as folder:
            group = zarr.open_group(folder, mode="w", zarr_format=3)
            for name, values in index.items():
                whole(group, name, values)
                (self.path / name).remove()
                self._metas.pop(name, None)
                for file, _ in LocalPath(folder / name).files():
                    (self.path / name / file).write((folder / name / file).read_bytes())

    def _tables(self) -> list[str]:
        return [n for n in self.path.names() if n.startswith("items-")]

    def _put_table(self, name: str, items: Items) -> None:
        import zarr

        (self.path / name).remove()  # of a run that was killed
        with aside(self.path / name) as folder:
            write_table(zarr.open_group(folder, mode="w", zarr_format=3), items)
            (self.path / name).adopt(folder, META)

    def _drop_table(self, name: str) -> None:
        (self.path / name).remove()
        self._metas = {k: v for k, v in self._metas.items() if not k.startswith(f"{name}/")}

    # -- zarr -----------------------------------------------------------------------------------

    def _meta(self, name: str, whole: bool = False) -> Meta:
        """What an array's own metadata say; :class:`StoreError` where they are damaged."""
        if name not in self._metas:
            try:
                found = Meta(json.loads((self.path / name / META).read()))
                rows, chunk = found.shape[0], found.chunk[0]
                frames, shard = self.layout.frames, self.layout.shard
                if (chunk != max(1, rows)) if whole else ((rows, chunk) != (frames, shard)):
                    raise Damaged("has another shape")
            except Exception as error:  # file, JSON, key and type errors
                raise damaged(self.path, str(self.path / name / META), error) from error
            self._metas[name] = found
        return self._metas[name]

    def _zarr(self, name: str) -> zarr.Array:
        """An array by way of zarr: slower, and of any layout."""
        import zarr

        array = zarr.open_group(zarr_place(self.path), mode="r+", zarr_format=3)[name]
        assert isinstance(array, zarr.Array)
        return array
