"""How arrays and tables of a store lie in zarr version 3: their metadata, and text in bytes."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.store.chunks import Damaged, crc32c
from featprobe.store.format import COLUMNS, Items, Layout
from featprobe.store.quantised import stored_shape, stored_type
from featprobe.store.storage_path import StoragePath

if TYPE_CHECKING:
    import zarr


class Meta:
    """What is needed of an array's ``zarr.json``."""

    def __init__(self, d: Mapping[str, Any]) -> None:
        self.shape = tuple(d["shape"])
        self.chunk = tuple(d["chunk_grid"]["configuration"]["chunk_shape"])
        if len(self.chunk) != len(self.shape) or min(self.chunk, default=1) < 1:
            raise ValueError(f"chunks of {self.chunk} for an array of {self.shape}")
        self.codecs = tuple(c["name"] for c in d["codecs"])
        self._type = d["data_type"]
        if self._type != "string":
            np.dtype(self._type)  # raises for what is none
        encoding = d["chunk_key_encoding"]
        self._separator = encoding.get("configuration", {}).get("separator", "/")
        big = d["codecs"][0].get("configuration", {}).get("endian", "little") != "little"
        self.raw = self.codecs == ("bytes", "crc32c") and encoding["name"] == "default" and not big
        self.raw &= self.chunk[1:] == self.shape[1:] or not self.shape[1:]

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self._type)

    @property
    def bytes(self) -> int:
        """Of a chunk without its checksum."""
        return prod(self.chunk) * self.dtype.itemsize

    def file(self, array: StoragePath, chunk: int) -> StoragePath:
        """The file of the n-th chunk along the first axis."""
        return array / self._separator.join(["c", str(chunk), *["0"] * (len(self.shape) - 1)])


def zarr_place(where: StoragePath) -> Any:
    """Argument by which zarr opens a path."""
    if where.local is not None:
        return where.local
    from zarr.storage import FsspecStore

    return FsspecStore.from_url(str(where))


def lay(
    group: zarr.Group, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str
) -> zarr.Array:
    """Create an uncompressed array with a checksum in every chunk (features hardly compress).

    The chunks of arrays with several axes lie flat in one folder.
    """
    from zarr.codecs import Crc32cCodec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return group.create_array(
            name, shape=shape, chunks=chunks, dtype=dtype, compressors=[Crc32cCodec()],
            filters=None if dtype != "string" else "auto",
            fill_value="" if dtype == "string" else 0, config={"write_empty_chunks": True},
            chunk_key_encoding={"name": "default", "separator": "." if len(shape) > 1 else "/"},
        )  # fmt: skip


def lay_shards(group: zarr.Group, layout: Layout, dtype: str) -> None:
    """The arrays whose chunks are shards, empty."""
    frames, shard = layout.frames, layout.shard
    for name, shape in layout.arrays.items():
        kept = stored_shape(shape, dtype)
        lay(group, name, (frames, *kept), (shard, *kept), stored_type(dtype))
    lay(group, "status", (frames,), (shard,), "uint8")
    lay(group, "reason", (frames,), (shard,), "string")


def whole(group: zarr.Group, name: str, values: np.ndarray) -> None:
    """Write a small array in one chunk."""
    shape = tuple(max(1, n) for n in values.shape)
    dtype = "string" if values.dtype.kind == "U" else values.dtype.name
    lay(group, name, values.shape, shape, dtype)[:] = values


def write_table(group: zarr.Group, items: Items) -> None:
    for column in COLUMNS:
        whole(group, column, getattr(items, column))
    if items.targets is not None:
        whole(group, "targets", items.targets)
    group.attrs.update(items.about)


def encode(texts: list[str]) -> bytes:
    """Text as zarr's vlen-utf8 lays it out: a count, then each text after its length."""
    parts = [t.encode() for t in texts]
    return struct.pack("<I", len(parts)) + b"".join(struct.pack("<I", len(p)) + p for p in parts)


def decode(data: bytes) -> list[str]:
    """The inverse of :func:`encode`."""
    (count,) = struct.unpack_from("<I", data)
    out, at = [], 4
    for _ in range(count):
        (size,) = struct.unpack_from("<I", data, at)
        out.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return out


def checked(data: bytes) -> bytes:
    """Bytes without the crc32c that ends them. Raises :class:`Damaged`."""
    if len(data) < 4 or crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise Damaged("fails its checksum")
    return data[:-4]
