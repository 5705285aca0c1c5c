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

from featprobe.store.storage_path import StoragePath

PIECE = 512 << 10  # stays in the cache of the processor between its copy and its checksum
CHECK = 64 << 10  # above this google_crc32c is several times slower (measured: 29 to 5 GB/s)
THREADS = 8  # that wait for a network
HERE = 4  # that wait for a disk, and fill fresh memory while the checksum of one goes on
MAPS = 512  # files that stay mapped for random rows
PAGE = 4 << 10  # bytes of a row from which a map saves nothing
RUN = 64 << 10  # bytes of neighbouring rows that are read rather than mapped
SPARSE = 4  # from a quarter of its rows on, a file is read and checked whole


class Damaged(Exception):
    """A file is not what was written; the text says how."""


def crc32c(*data: bytes | memoryview) -> int:
    """CRC-32C (Castagnoli) of consecutive pieces of bytes."""
    value = 0
    for part in data:
        value = _extend(value, np.frombuffer(part, np.uint8))
    return value


def _extend(value: int, data: np.ndarray) -> int:
    for at in range(0, len(data), CHECK):
        value = google_crc32c.extend(value, data[at : at + CHECK])
    return value


def raw(array: np.ndarray) -> memoryview:
    """View of the bytes of a contiguous array, for reading and writing."""
    return array.reshape(-1).view(np.uint8).data


@dataclass(frozen=True)
class Chunk:
    """Position of the rows of one shard: ``size`` bytes at ``offset`` of a file.

    ``crc``: their CRC-32C; None when its four bytes, least first, follow them and end the file.
    """

    place: StoragePath
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
        if not self.place.is_local:
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
        handle = os.open(str(self.place), os.O_RDONLY)
        try:
            value = _read(handle, np.frombuffer(target, np.uint8), self.offset)
            missing = self.size - len(target)
            if missing:  # zarr pads its last chunk
                value = _read(handle, np.empty(missing, np.uint8), self.offset + len(target), value)
            return os.pread(handle, 5, self.offset + self.size), value
        finally:
            os.close(handle)

    def part(self, target: memoryview, start: int) -> None:
        """Read ``len(target)`` bytes from ``start`` of the rows on; the size of the file is
        checked, the bytes are not. Raises :class:`Damaged` or ``OSError``."""
        handle = os.open(str(self.place), os.O_RDONLY)
        try:
            if os.fstat(handle).st_size < self.end:
                raise Damaged("is cut short")
            at = 0
            while at < len(target):
                n = os.preadv(handle, [target[at:]], self.offset + start + at)
                if n == 0:
                    raise Damaged("is cut short")
                at += n
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


def _read(handle: int, out: np.ndarray, offset: int, value: int = 0) -> int:
    """Fill bytes from a file, and go on with their checksum while they are near."""
    at, size = 0, len(out)
    while at < size:
        n = os.preadv(handle, [out[at : at + PIECE].data], offset + at)
        if n == 0:
            raise Damaged("is cut short")
        value = _extend(value, out[at : at + n])
        at += n
    return value


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
        self._whole(shard)

    def read(self, blocks: int | None = None, rows: np.ndarray | None = None) -> np.ndarray:
        """Rows (n, ...): all, or those of a sorted index; the last ``blocks`` of their first axis.

        Every byte of a file that is read whole is checked. Of a file of which few rows are wanted
        only the size is.
        """
        blocks = blocks or (self.shape[0] if self.shape else 0)
        last = slice(self.shape[0] - blocks, None) if blocks < self.shape[0] else None
        n = self.frames if rows is None else len(rows)
        out = np.empty((n, blocks, *self.shape[1:]), self.dtype)
        if rows is None:
            self._all(out, last)
        elif n:
            self._some(out, last, rows)
        return out

    def _all(self, out: np.ndarray, last: slice | None) -> None:
        shards = range(-(-self.frames // self.shard))

        def job(shard: int) -> None:
            start, stop = self.bounds(shard)
            if last is None:
                self._load(shard, out[start:stop])
            else:
                out[start:stop] = self._whole(shard)[:, last]

        self._each(job, shards, HERE)

    def _some(self, out: np.ndarray, last: slice | None, rows: np.ndarray) -> None:
        shard_of = rows // self.shard
        inside = rows - shard_of * self.shard
        cut = [0, *(np.flatnonzero(np.diff(shard_of)) + 1).tolist(), len(rows)]
        shards = shard_of[cut[:-1]].tolist()
        sparse = self.shard // SPARSE if self.local else 0

        def job(k: int) -> None:
            a, b = cut[k], cut[k + 1]
            shard = shards[k]
            if b - a < sparse and self._read_run(shard, inside[a:b], last, out[a:b]):
                return
            if b - a < sparse:
                values = self._maps.get(shard)
                if values is None:
                    values = self._map(shard)
            else:
                values = self._whole(shard)
            if last is not None:
                values = values[:, last]
            np.take(values, inside[a:b], axis=0, out=out[a:b], mode="clip")

        self._each(job, range(len(shards)))

    def _read_run(self, shard: int, rows: np.ndarray, last: slice | None, out: np.ndarray) -> bool:
        """Read neighbouring rows that are many bytes (tokens of an item) without mapping their
        file, so that what was read does not stay in memory; whether they were."""
        n = int(rows[-1] - rows[0]) + 1
        if n != len(rows) or (self.row < PAGE and n * self.row < RUN):
            return False
        try:
            chunk = self._locate(shard)
            if chunk is None:
                return False
            values = out if last is None else np.empty((n, *self.shape), self.dtype)
            chunk.part(raw(values), int(rows[0]) * self.row)
        except (Damaged, OSError) as error:
            if not (isinstance(error, FileNotFoundError) and self._pending(shard)):
                raise self._wrap(shard, error) from error
            return False
        if last is not None:
            out[:] = values[:, last]
        return True

    def _each(self, job: Callable[[int], None], work: Sequence[int], here: int = 1) -> None:
        """Run jobs, ``here`` at a time on this machine, more where they wait for a network.

        Files are not announced to the system beforehand: it would cache them in single pages, and
        every later read would pay for that (measured: a third more processor time).
        """
        threads = min(here if self.local else THREADS, len(work))
        if threads < 2:
            for k in work:
                job(k)
            return
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(job, work):
                pass

    def _whole(self, shard: int) -> np.ndarray:
        start, stop = self.bounds(shard)
        values = np.empty((stop - start, *self.shape), self.dtype)
        self._load(shard, values)
        return values

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

    def _map(self, shard: int) -> np.ndarray:
        """The rows of a shard without reading them; zeros where they are not extracted yet."""
        try:
            chunk = self._locate(shard)
            values = None if chunk is None else chunk.map()
        except (Damaged, OSError) as error:
            if not (isinstance(error, FileNotFoundError) and self._pending(shard)):
                raise self._wrap(shard, error) from error
            values = None
        if values is None:
            return np.broadcast_to(np.zeros(1, self.dtype), (self.shard, *self.shape))
        while len(self._maps) >= MAPS:
            self._maps.pop(next(iter(self._maps)))
        self._maps[shard] = values.view(self.dtype).reshape(-1, *self.shape)
        return self._maps[shard]
