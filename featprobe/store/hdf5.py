"""The feature store in HDF5: one immutable file a shard behind one virtual data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from featprobe.core.atomic import written_aside
from featprobe.store import hdf5_file
from featprobe.store.base import FeatureStore
from featprobe.store.chunks import Chunk, raw
from featprobe.store.container import INDEX, STATUS, table_name
from featprobe.store.format import COLUMNS, FeatureKey, Items, Layout
from featprobe.store.locate import storage_path
from featprobe.store.quantised import stored_shape, stored_type
from featprobe.store.storage_path import StoragePath, aside

SUFFIX = ".h5"
META = "store.json"
ALL = "features.h5"


class HDF5Store(FeatureStore):
    """A store as a folder of HDF5 files.

    An HDF5 file that is killed while it is written does not open again, and none can be written by
    several processes. So a shard is a file of its own, made in memory, written aside and renamed:
    that is the commit. :meth:`finish` adds ``features.h5``, in which all of them are one array.
    """

    kind = "hdf5"
    suffix = SUFFIX

    @classmethod
    def _attributes(cls, where: StoragePath) -> dict[str, Any]:
        attributes: dict[str, Any] = json.loads((where / META).read())
        return attributes

    def _put_attributes(self, attributes: Mapping[str, Any]) -> None:
        (self.path / META).write(json.dumps(attributes, indent=2).encode())

    @classmethod
    def _lay_out(
        cls, where: StoragePath, key: FeatureKey, layout: Layout, index: Mapping[str, np.ndarray],
        items: Items, attributes: Mapping[str, Any],
    ) -> None:  # fmt: skip
        with aside(where) as folder:
            (folder / META).write_text(json.dumps(attributes, indent=2), encoding="utf-8")
            at = storage_path(folder)
            (at / "index.h5").write(*hdf5_file.build(index, {}))
            (at / f"{table_name(items)}.h5").write(*_table_file(items))
            (folder / "parts").mkdir()
            where.adopt(folder, META)

    # -- shards ---------------------------------------------------------------------------------

    def _part(self, shard: int) -> StoragePath:
        return self.path / "parts" / f"{shard:06d}.h5"

    def committed(self) -> set[int]:
        found = {n.removesuffix(SUFFIX) for n in (self.path / "parts").names()}
        return {int(n) for n in found if n.isdecimal() and int(n) < self.layout.shards}

    def _chunk(self, name: str, shard: int) -> Chunk | None:
        try:
            return hdf5_file.chunk(self._part(shard), name)
        except FileNotFoundError:
            return None

    def _put(
        self, shard: int, arrays: Mapping[str, np.ndarray], status: np.ndarray, reasons: list[str]
    ) -> None:
        self._part(shard).write(*hdf5_file.build({**arrays, STATUS: status}, {"reason": reasons}))

    def _drop(self, shard: int) -> None:
        self._part(shard).remove()

    def _shards_with_reasons(self) -> list[int]:
        def has_reason(shard: int) -> bool:
            return "reason" in hdf5_file.header(self._part(shard))["texts"]

        return [s for s in sorted(self.committed()) if self._guarded(s, "header", has_reason)]

    def _shard_reasons(self, shard: int) -> list[str]:
        return hdf5_file.texts(self._part(shard), "reason")

    def _verify_shard(self, shard: int) -> Iterator[tuple[str, Exception]]:
        found = list(super()._verify_shard(shard))
        if not found:  # what belongs to no array
            try:
                hdf5_file.check(self._part(shard))
            except Exception as error:
                found.append((self._part(shard).name, error))
        yield from found

    def _consolidate(self) -> None:
        if self.path.local is None:
            return  # a virtual data set finds its files in a folder only
        import h5py

        folder, ends = self.path.local, [self.layout.bounds(s) for s in range(self.layout.shards)]
        arrays: dict[str, tuple[tuple[int, ...], str]] = {STATUS: ((), "uint8")}
        dtype = self.key.dtype
        arrays |= {
            n: (stored_shape(s, dtype), stored_type(dtype)) for n, s in self.layout.arrays.items()
        }
        with written_aside(folder / ALL) as name, h5py.File(name, "w", libver="latest") as f:
            for array, (shape, dtype) in arrays.items():
                whole = h5py.VirtualLayout((self.layout.frames, *shape), dtype)
                for s, (a, b) in enumerate(ends):
                    source = f"parts/{self._part(s).name}"
                    whole[a:b] = h5py.VirtualSource(source, array, (b - a, *shape))
                f.create_virtual_dataset(array, whole)
            for array in INDEX:
                values = self._frame_index(array)
                index = h5py.VirtualLayout(values.shape, values.dtype)
                index[:] = h5py.VirtualSource("index.h5", array, values.shape)
                f.create_virtual_dataset(array, index)

    def _mend(self, about: Mapping[str, Any]) -> list[str]:
        """``features.h5``, which is made of the others."""
        if not self.attributes.get("complete") or self.path.local is None or self._whole():
            return []
        self._consolidate()
        return [ALL]

    def _whole(self) -> bool:
        import h5py

        names = {STATUS, *self.layout.arrays, *INDEX}
        try:
            with h5py.File(self.path.local / ALL, "r") as f:  # type: ignore[operator]
                return set(f) == names and all(len(f[n]) == self.layout.frames for n in names)
        except Exception:  # whatever HDF5 makes of a damaged file
            return False

    # -- tables ---------------------------------------------------------------------------------

    def _frame_index(self, name: str) -> np.ndarray:
        found = np.empty(self.layout.frames, "int64" if name == "frame_item" else "int32")
        hdf5_file.chunk(self.path / "index.h5", name).fill(raw(found))
        return found

    def _put_index(self, index: Mapping[str, np.ndarray]) -> None:
        (self.path / "index.h5").write(*hdf5_file.build(index, {}))

    def _verify_index(self) -> Iterator[tuple[str, Exception]]:
        yield from super()._verify_index()
        try:
            hdf5_file.check(self.path / "index.h5")
        except Exception as error:
            yield "frame_item", error

    def _table(self, name: str) -> Items:
        arrays, texts = hdf5_file.read(self.path / f"{name}.h5")
        columns = {n: np.array(texts[n], dtype=np.str_) for n in COLUMNS}
        return Items.made(columns, arrays.get("targets"), json.loads(texts["about"][0]))

    def _tables(self) -> list[str]:
        return [n.removesuffix(SUFFIX) for n in self.path.names() if n.startswith("items-")]

    def _put_table(self, name: str, items: Items) -> None:
        (self.path / f"{name}.h5").write(*_table_file(items))

    def _drop_table(self, name: str) -> None:
        (self.path / f"{name}.h5").remove()


def _table_file(items: Items) -> list[memoryview]:
    texts = {n: getattr(items, n).tolist() for n in COLUMNS}
    targets = {} if items.targets is None else {"targets": items.targets}
    return hdf5_file.build(targets, {**texts, "about": [json.dumps(items.about)]})
