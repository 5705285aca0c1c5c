"""Rows of an array that lie as raw bytes in several files: whole reads, checked, and random rows.

Both containers end here: an uncompressed zarr chunk is raw bytes and four of crc32c, and a dataset
of an HDF5 part is raw bytes at an offset. Reading them directly is what makes a whole read as fast
as numpy's and a random row as cheap as that of a memory map.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod

import google_crc32c
import numpy as np

from featprobe.store.place import Place

PIECE = 256 << 10  # stays in the cache of the processor between its copy and its checksum
AHEAD = 8  # files that the system is told to read while others are checked
MAPS = 512  # files that stay mapped for random rows
SPARSE = 4  # from a quarter of its rows on, a file is read and checked whole


class Damaged(Exception):
    """A file is not what was written; the text says how."""


def crc32c(*data: bytes | memoryview | np.ndarray) -> int:
    """The CRC-32C (Castagnoli) of bytes that follow each other."""
    value = 0
    for part in data:
        value = google_crc32c.extend(value, np.frombuffer(part, np.uint8))
    return value


def raw(array: np.ndarray) -> memoryview:
    """The bytes of a contiguous array, to read into or to write."""
    return array.reshape(-1).view(np.uint8).data


@dataclass(frozen=True)
class Chunk:
    """Where the rows of one shard lie: ``size`` bytes at ``offset`` of a file.

    ``crc``: their CRC-32C; None when its four bytes, least first, follow them and end the file.
    """

    place: Place
    offset: int
    size: int
    crc: int | None = None

    @property
    def end(self) -> int:
        """The byte after the last that belongs to the rows."""
        return self.offset + self.size + (4 if self.crc is None else 0)

    def fill(self, target: memoryview) -> None:
        """Read the first ``len(target)`` bytes and check all.

        Raises :class:`Damaged`, ``FileNotFoundError`` or another ``OSError``.
        """
        if self.place.local is None:
            data = self.place.read(self.offset, self.end)
            got, value = data[: self.size], 0
            if len(got) == self.size:
                target[:] = got[: len(target)]
            tail, value = data[self.size :], crc32c(got)
        else:
            tail, value = self._fill(target)
        expected = int.from_bytes(tail, "little") if self.crc is None else self.crc
        if self.crc is None and len(tail) != 4:
            raise Damaged("has another size")
        if value != expected:
            raise Damaged("fails its checksum")

    def _fill(self, target: memoryview) -> tuple[bytes, int]:
        handle = os.open(os.fspath(str(self.place)), os.O_RDONLY)
        try:
            at, value = 0, 0
            rest = memoryview(bytearray(min(PIECE, self.size - len(target))))
            while at < self.size:
                inside = at < len(target)
                piece = target[at : at + PIECE] if inside else rest[: self.size - at]
                n = os.preadv(handle, [piece], self.offset + at)
                if n == 0:
                    raise Damaged("is cut short")
                value = google_crc32c.extend(value, np.frombuffer(piece, np.uint8, n))
                at += n
            return os.pread(handle, 5, self.offset + self.size), value
        finally:
            os.close(handle)

    def map(self) -> np.ndarray:
        """The bytes (n,) uint8 of a local file, mapped; its size is checked, its bytes are not."""
        with open(str(self.place), "rb") as f:
            size = os.fstat(f.fileno()).st_size
            if size < self.end:
                raise Damaged("is cut short")
            mapped = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, np.uint8, self.size, self.offset)


class Rows:
    """One array (F, ...) over the files of its shards.

    ``locate(shard)`` says where rows lie, or None where they are not extracted yet: those read as
    zero, and so does a file that is not there while ``pending(shard)``. ``wrap(shard, error)``
    makes the exception for a file that is damaged or missing.
    """

    def __init__(
        self, frames: int, shard: int, shape: Sequence[int], dtype: str, local: bool,
        locate: Callable[[int], Chunk | None], pending: Callable[[int], bool],
        wrap: Callable[[int, Exception], Exception],
    ) -> None:  # fmt: skip
        self.frames, self.shard, self.shape = frames, shard, tuple(shape)
        self.dtype, self.local = np.dtype(dtype), local
        self.row = prod(self.shape) * self.dtype.itemsize
        self._locate, self._pending, self._wrap = locate, pending, wrap
        self._maps: dict[int, np.ndarray] = {}

    def forget(self, shard: int) -> None:
        """Map the file of a shard anew: it has been replaced."""
        self._maps.pop(shard, None)

    def bounds(self, shard: int) -> tuple[int, int]:
        """First row of a shard and the row after its last."""
        return shard * self.shard, min(self.frames, (shard + 1) * self.shard)

    def check(self, shard: int) -> None:
        """Read the rows of a shard for their checksum alone."""
        self._load(shard, self._empty(shard))

    def read(self, blocks: int | None = None, rows: np.ndarray | None = None) -> np.ndarray:
        """Rows (n, ...): all, or those of a sorted index; the last ``blocks`` of their first axis.

        Every byte of a file that is read whole is checked. Of a file of which few rows are wanted
        only the size is.
        """
        last = slice(None) if blocks is None else slice(self.shape[0] - blocks, None)
        shape = (blocks or self.shape[0], *self.shape[1:]) if self.shape else ()
        n = self.frames if rows is None else len(rows)
        out = np.empty((n, *shape), self.dtype)
        if rows is None:
            shards = np.arange(-(-self.frames // self.shard))
            cut = np.append(shards * self.shard, self.frames)
        else:
            shards, first = np.unique(rows // self.shard, return_index=True)
            cut = np.append(first, n)
        wanted = shards.tolist()
        whole = blocks is None or blocks == self.shape[0]

        def job(k: int) -> None:
            shard, part = wanted[k], out[cut[k] : cut[k + 1]]
            start, stop = self.bounds(shard)
            if rows is None or (len(part) == stop - start):
                if k % AHEAD == 0:
                    self._announce(wanted[k + AHEAD * bool(k) : k + 2 * AHEAD])
                if whole:
                    self._load(shard, part)
                else:
                    values = self._empty(shard)
                    self._load(shard, values)
                    part[:] = values[:, last]
                return
            index = rows[cut[k] : cut[k + 1]] - start
            found = self._sparse(shard, index)
            if found is None:
                part[:] = 0
            else:
                np.take(found[:, last], index, axis=0, out=part, mode="clip")

        threads = min(len(wanted), self._threads(wanted))
        if threads < 2:
            for k in range(len(wanted)):
                job(k)
        else:
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(job, range(len(wanted))):
                    pass
        return out

    def _threads(self, wanted: list[int]) -> int:
        """Two on this machine, one copying while one checks; more where a wait is for a network."""
        if not self.local:
            return 8
        if self.row * self.shard * len(wanted) < 4 * PIECE:
            return 1
        return min(2, os.cpu_count() or 1)

    def _empty(self, shard: int) -> np.ndarray:
        start, stop = self.bounds(shard)
        return np.empty((stop - start, *self.shape), self.dtype)

    def _load(self, shard: int, out: np.ndarray) -> None:
        try:
            chunk = self._locate(shard)
            if chunk is None:
                out[:] = 0
            elif self.row:
                chunk.fill(raw(out))
        except (Damaged, OSError) as error:
            if not (isinstance(error, FileNotFoundError) and self._pending(shard)):
                raise self._wrap(shard, error) from error
            out[:] = 0

    def _sparse(self, shard: int, index: np.ndarray) -> np.ndarray | None:
        """An array in which the wanted rows of a shard can be looked up."""
        start, stop = self.bounds(shard)
        try:
            if not self.local or len(index) * SPARSE >= stop - start:
                values = self._empty(shard)
                self._load(shard, values)
                return values
            if shard not in self._maps:
                chunk = self._locate(shard)
                while len(self._maps) >= MAPS:
                    self._maps.pop(next(iter(self._maps)))
                if chunk is None:
                    return None
                self._maps[shard] = chunk.map().view(self.dtype).reshape(-1, *self.shape)
            return self._maps[shard]
        except (Damaged, OSError) as error:
            if isinstance(error, FileNotFoundError) and self._pending(shard):
                return None
            raise self._wrap(shard, error) from error

    def _announce(self, shards: list[int]) -> None:
        """Tell the system which files come next, where it can be told."""
        if not self.local or not hasattr(os, "posix_fadvise"):
            return
        for shard in shards:
            try:
                chunk = self._locate(shard)
                if chunk is None:
                    continue
                handle = os.open(str(chunk.place), os.O_RDONLY)
            except (Damaged, OSError):  # whoever reads it will say so
                continue
            os.posix_fadvise(handle, chunk.offset, chunk.size, os.POSIX_FADV_WILLNEED)
            os.close(handle)
