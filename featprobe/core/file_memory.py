"""A table of what is known of files, on disk: of a million of them 13 MB are in memory.

A file holds a mark, the number of records, the records, the texts of their facts, and a seal.
Records stand in the order in which files were asked for, so that a folder that is looked through
again is read from one end to the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from featprobe.core.atomic import written_aside

RECORD = np.dtype(
    [("key", "<u8"), ("stamp", "<i8", 4), ("digest", "u1", 32), ("whole", "?"),
     ("kind", "S16"), ("start", "<u8"), ("size", "<u4")]
)  # fmt: skip
_SEAL = 32  # bytes at the end
_BLOCK = 4096  # records that are read or written at a time
_GAP = 64  # records that are read for nothing rather than in another call


class _Table:
    """Records in one file and the texts of their facts in the same or another."""

    _lock = threading.Lock()  # for systems without pread

    def __init__(self, records: IO[bytes], texts: IO[bytes], first: int = 0, text: int = 0) -> None:
        self._files, self._first, self._text = (records, texts), first, text
        for file in set(self._files):
            weakref.finalize(self, file.close)

    def records(self, rows: np.ndarray) -> np.ndarray:
        """The records of some rows; neighbours are read together."""
        out, each = np.empty(len(rows), RECORD), RECORD.itemsize
        order = np.argsort(rows, kind="stable")
        for run in np.split(order, np.flatnonzero(np.diff(rows[order]) > _GAP) + 1):
            if len(run):
                a, b = int(rows[run[0]]), int(rows[run[-1]]) + 1
                found = self._read(self._files[0], self._first + each * a, each * (b - a))
                out[run] = np.frombuffer(found, RECORD)[rows[run] - a]
        return out

    def texts(self, records: np.ndarray) -> list[bytes]:
        """The texts of the facts of records."""
        starts, stops = records["start"].tolist(), (records["start"] + records["size"]).tolist()
        if not starts:
            return []
        first, last = min(starts), max(stops)
        if last - first > 2 * int(records["size"].sum()) + 4096:  # they lie far from each other
            found = [self._read(self._files[1], self._text + a, b - a)
                     for a, b in zip(starts, stops)]  # fmt: skip
            return found
        part = self._read(self._files[1], self._text + first, last - first)
        return [part[a - first : b - first] for a, b in zip(starts, stops)]

    def _read(self, file: IO[bytes], at: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(file.fileno(), size, at)
        with self._lock:
            file.seek(at)
            return file.read(size)


class FileMemory:
    """Records and texts of facts by the key of a file; ``path`` is where they are kept, if at all.

    Nothing is remembered of a file that is absent, damaged or of another ``mark``: it is only a
    memory, made anew.
    """

    def __init__(self, path: Path | None, mark: bytes) -> None:
        self.path, self._mark = path, mark
        self._table: _Table | None = None
        self._order = np.zeros(0, np.uint8)
        self._keys = np.zeros(0, np.uint64)
        self._fresh: tuple[IO[bytes], IO[bytes]] | None = None
        self._fresh_keys: list[np.ndarray] = []
        self._fresh_text = 0
        self._adding = threading.Lock()
        with contextlib.suppress(OSError, ValueError):
            if path is not None:
                self._open(path.open("rb"))

    def __len__(self) -> int:
        return len(self._order)

    def rows(self, keys: np.ndarray) -> np.ndarray:
        """Which record each key has, -1 for those without."""
        if not len(self):
            return np.full(len(keys), -1)
        at = np.searchsorted(self._keys, keys)
        at[at == len(self)] = 0
        return np.where(self._keys[at] == keys, self._order[at].astype(np.int64), -1)

    def records(self, rows: np.ndarray) -> np.ndarray:
        """The records of rows."""
        return np.zeros(0, RECORD) if self._table is None else self._table.records(rows)

    def texts(self, records: np.ndarray) -> list[bytes]:
        """The texts of the facts of records."""
        return [] if self._table is None else self._table.texts(records)

    def add(self, records: np.ndarray, texts: bytes) -> None:
        """Take records in that :meth:`keep` will write, with their texts one after the other; from
        any thread."""
        with self._adding:
            if self._fresh is None:
                self._fresh = _temporary(self.path), _temporary(self.path)
            ends = self._fresh_text + np.cumsum(records["size"], dtype=np.int64)
            records["start"] = ends - records["size"]
            self._fresh[0].write(records.tobytes())
            self._fresh[1].write(texts)
            self._fresh_text += len(texts)
            self._fresh_keys.append(records["key"].copy())

    def keep(self, requested: np.ndarray, spare: int) -> bool:
        """Write what was added behind what there was; False where nothing was added.

        Records not ``requested`` (N,) are forgotten when they are most of all by ``spare``.
        """
        if self._fresh is None:
            return False
        files, keys = self._fresh, np.concatenate(self._fresh_keys)
        self._fresh, self._fresh_keys, self._fresh_text = None, [], 0
        for file in files:
            file.flush()
        unique, last = np.unique(keys[::-1], return_index=True)  # of a key the newest
        old = np.ones(len(self), bool)
        unasked = len(self) - int(requested.sum())
        if unasked > len(self) - unasked + len(unique) + spare:
            old = requested.copy()
        superseded = self.rows(unique)
        old[superseded[superseded >= 0]] = False
        parts = [(_Table(*files), np.sort(len(keys) - 1 - last))]
        if self._table is not None:
            parts.insert(0, (self._table, np.flatnonzero(old)))
        made = _temporary(self.path)
        self._write(made, parts)
        if self.path is not None:
            with contextlib.suppress(OSError):  # what cannot be written costs time, not truth
                self.path.parent.mkdir(parents=True, exist_ok=True)
                made.seek(0)
                with written_aside(self.path) as aside, aside.open("wb") as f:
                    shutil.copyfileobj(made, f, 1 << 20)
        self._open(made)
        return True

    def _open(self, file: IO[bytes]) -> None:
        """Take a file if its seal is right: a false digest would be believed."""
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        head = file.read(len(self._mark) + 8)
        count, seal = int.from_bytes(head[-8:], "little"), hashlib.sha256(head)
        texts = size - len(head) - count * RECORD.itemsize - _SEAL
        if not head.startswith(self._mark) or texts < 0:
            file.close()
            return
        keys = np.empty(count, np.uint64)
        for start in range(0, count, _BLOCK):
            part = file.read(min(_BLOCK, count - start) * RECORD.itemsize)
            seal.update(part)
            found = np.frombuffer(part, RECORD)["key"]
            keys[start : start + len(found)] = found
        while texts > 0 and (part := file.read(min(texts, 1 << 20))):
            seal.update(part)
            texts -= len(part)
        if file.read(_SEAL) != seal.digest():
            file.close()
            return
        first = len(head)
        self._table = _Table(file, file, first, first + count * RECORD.itemsize)
        self._order = np.argsort(keys, kind="stable").astype(np.min_scalar_type(count))
        self._keys = keys[self._order]

    def _write(self, file: IO[bytes], parts: Sequence[tuple[_Table, np.ndarray]]) -> None:
        """The records of rows of some tables, and then their texts."""
        seal = hashlib.sha256()

        def put(part: bytes) -> None:
            file.write(part)
            seal.update(part)

        put(self._mark + sum(len(rows) for _, rows in parts).to_bytes(8, "little"))
        start = 0
        for _, records in _blocks(parts):
            sizes = np.cumsum(records["size"], dtype=np.int64)
            records["start"] = start + sizes - records["size"]
            start += int(sizes[-1])
            put(records.tobytes())
        for table, records in _blocks(parts):
            put(b"".join(table.texts(records)))
        file.write(seal.digest())
        file.flush()


def _blocks(parts: Sequence[tuple[_Table, np.ndarray]]) -> Iterator[tuple[_Table, np.ndarray]]:
    for table, rows in parts:
        for start in range(0, len(rows), _BLOCK):
            yield table, table.records(rows[start : start + _BLOCK])


def _temporary(path: Path | None) -> IO[bytes]:
    """A file without a name, beside ``path`` where that can be."""
    with contextlib.suppress(OSError):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=path.parent)
    return tempfile.TemporaryFile()
