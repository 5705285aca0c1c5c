"""What is remembered of files between runs: digests of their contents and facts of their headers.

A remembered entry is used while size, modification time, change time and inode of the file are what
they were (the rule of git's index), so an untouched data set costs one ``stat`` a file and no
opening. On disk and in memory an entry is a record of 101 bytes and the text of its facts.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.atomic import written_aside
from featprobe.core.fingerprint import file_digest
from featprobe.core.opening import held
from featprobe.core.threads import on_threads

UNREADABLE = "unreadable"  # instead of a digest
SMALL = 1 << 20  # bytes: so small a file is read whole where its header is asked for
BLOCK, AHEAD = 1024, 16  # files that are looked up together, and blocks under way
_MARK = b"featprobe index 1\n"
_RECORD = np.dtype(
    [("key", "<u8"), ("stamp", "<i8", 4), ("digest", "u1", 32), ("whole", "?"),
     ("kind", "S16"), ("start", "<u8"), ("size", "<u4")]
)  # fmt: skip
_SEAL = 32  # bytes at the end of a memory
StrPath = str | os.PathLike[str]
Describe = Callable[[Path], tuple[str, Any]]


class FileIndex:
    """Digests and facts of files, looked up in what ``memory`` holds and read where it must.

    ``describe(path)`` gives the kind of a file, a word of at most 16 bytes, and its facts, a JSON
    value, in the same opening as its digest; where it raises there are none. ``kinds``: those of
    all files that were asked for so far. Facts of another ``version`` are forgotten. A file that
    cannot be read has the digest ``"unreadable"``: the item is quarantined later, with its reason,
    and read again when the file changes.
    """

    def __init__(
        self, memory: Path | None, describe: Describe | None = None, version: int = 0,
        threads: int = 4,
    ) -> None:  # fmt: skip
        self.memory, self.describe, self.threads = memory, describe, threads
        self._mark = _MARK + version.to_bytes(4, "little")
        self._table, self._texts = np.zeros(0, _RECORD), memoryview(b"")
        self._requested = np.zeros(0, bool)
        self._loaded = False
        self.kinds: set[str] = set()
        self._state = hashlib.sha256()
        self._read: list[tuple[np.ndarray, bytes]] = []  # blocks that are not in the table yet

    def digests(
        self, paths: Iterable[StrPath], progress: Callable[[int], None] | None = None
    ) -> Generator[str]:
        """sha256 (hex) of each file; ``progress`` is told the number of files done."""
        n = 0
        for records in self._all(paths, True):
            text = records["digest"].tobytes().hex()
            for i, whole in enumerate(records["whole"].tolist()):
                yield text[64 * i : 64 * i + 64] if whole else UNREADABLE
            n += len(records)
            if progress:
                progress(n)

    def look(self, paths: Iterable[StrPath]) -> Iterator[str]:
        """What ``describe`` says the kind of each file is; :meth:`known` has its facts then."""
        for records in self._all(paths, False):
            self._state.update(records["key"].tobytes() + records["stamp"].tobytes())
            for kind in records["kind"].tolist():
                yield kind.decode()

    @property
    def state(self) -> bytes:
        """Another one where a file that was looked at is another, or has changed."""
        return self._state.digest()

    def known(self, paths: Sequence[StrPath]) -> list[Any]:
        """The facts of files that were looked at before, None of others. No file is asked."""
        self._open_memory()
        rows = self._rows(_keys(paths))
        return [json.loads(self._text(r)) if r >= 0 else None for r in rows.tolist()]

    # -- looking --------------------------------------------------------------------------------

    def _all(self, paths: Iterable[StrPath], whole: bool) -> Iterator[np.ndarray]:
        """The records of paths, block by block in order."""
        self._open_memory()
        todo = iter(paths)
        blocks = iter(lambda: list(itertools.islice(todo, BLOCK)), [])
        read = partial(self._block, whole=whole)
        try:
            with contextlib.closing(on_threads(read, blocks, self.threads, AHEAD)) as found:
                for records in found:
                    self.kinds |= {k.decode() for k in set(records["kind"].tolist())}
                    yield records
        finally:
            self._keep()  # also what was read before an interruption

    def _block(self, paths: Sequence[StrPath], whole: bool) -> np.ndarray:
        out = np.zeros(len(paths), _RECORD)
        out["key"], out["stamp"] = _keys(paths), np.array([_stamp(p) for p in paths], np.int64)
        rows = self._rows(out["key"])
        same = rows >= 0
        if same.any():
            old = self._table[rows]
            same &= (old["stamp"] == out["stamp"]).all(1) & (old["whole"] | (not whole))
            same &= (old["size"] > 0) | (self.describe is None)
            out[same] = old[same]
            self._requested[rows[same]] = True
        fresh = np.flatnonzero(~same & (out["stamp"][:, 0] >= 0)).tolist()
        texts = [self._open(Path(paths[i]), out[i : i + 1], whole) for i in fresh]
        if fresh:
            out["size"][fresh] = [len(t) for t in texts]
            self._read.append((out[fresh], b"".join(texts)))
        return out

    def _open(self, path: Path, record: np.ndarray, whole: bool) -> bytes:
        """The facts of a file, and its digest in its ``record`` (1,), in one opening."""
        text = b""
        with held(path):
            if self.describe is not None:
                text = b"null"
                with contextlib.suppress(Exception):  # who reads the file says what is wrong
                    kind, facts = self.describe(path)
                    text = json.dumps(facts, separators=(",", ":")).encode()
                    record["kind"] = kind.encode()
            if whole or (self.memory is not None and record["stamp"][0, 0] <= SMALL):
                with contextlib.suppress(OSError):
                    record["digest"] = np.frombuffer(bytes.fromhex(file_digest(path)), np.uint8)
                    record["whole"] = True
        return text

    # -- the memory -----------------------------------------------------------------------------

    def _rows(self, keys: np.ndarray) -> np.ndarray:
        """Where keys stand in the table, -1 for those that do not."""
        if not len(self._table):
            return np.full(len(keys), -1)
        at = np.searchsorted(self._table["key"], keys)
        at[at == len(self._table)] = 0
        return np.where(self._table["key"][at] == keys, at, -1)

    def _text(self, row: int) -> bytes:
        record = self._table[row]
        return bytes(self._texts[record["start"] : record["start"] + record["size"]]) or b"null"

    def _open_memory(self) -> None:
        """Load it for the first file that is asked for: pictures are listed without it."""
        if not self._loaded:
            self._table, self._texts = self._load()
            self._requested, self._loaded = np.zeros(len(self._table), bool), True

    def _load(self) -> tuple[np.ndarray, memoryview]:
        """Records by rising key and the texts of all facts; nothing where the memory is absent,
        damaged or of another version: only a memory, made anew."""
        with contextlib.suppress(OSError, ValueError):
            data = self.memory.read_bytes() if self.memory else b""
            start = len(self._mark) + 8
            if data.startswith(self._mark) and _sealed(data):
                count = int.from_bytes(data[start - 8 : start], "little")
                table = np.frombuffer(data, _RECORD, count, start)
                return table, memoryview(data)[start + table.nbytes : -_SEAL]
        return np.zeros(0, _RECORD), memoryview(b"")

    def _keep(self) -> None:
        """Take what was read into the table and write it to the memory.

        What nobody asked for is forgotten when it is most of all.
        """
        if not self._read:
            return
        texts: list[bytes | memoryview] = [self._texts]
        parts = []
        start = len(self._texts)
        for records, text in self._read:
            records["start"] = start + np.cumsum(records["size"], dtype=np.int64) - records["size"]
            start += len(text)
            parts.append(records)
            texts.append(text)
        self._read = []
        old = self._table
        unrequested = len(old) - int(self._requested.sum())
        if unrequested > len(old) - unrequested + sum(map(len, parts)) + BLOCK:
            old = old[self._requested]
        both = np.concatenate([*parts, old])
        _, first = np.unique(both["key"], return_index=True)  # of a key the newest
        self._table, self._texts = both[first], memoryview(b"".join(texts))
        self._requested = np.zeros(len(self._table), bool)
        if 2 * int(self._table["size"].sum()) < len(self._texts):
            self._compact()
        self._save()

    def _compact(self) -> None:
        """Leave out the texts that belong to no record."""
        kept = [self._text(r) for r in range(len(self._table))]
        self._texts = memoryview(b"".join(kept))
        self._table["size"] = [len(t) for t in kept]
        self._table["start"] = np.cumsum(self._table["size"], dtype=np.int64) - self._table["size"]

    def _save(self) -> None:
        if self.memory is None:
            return
        head = self._mark + len(self._table).to_bytes(8, "little")
        seal = hashlib.sha256()
        with contextlib.suppress(OSError):  # what cannot be written costs time, not truth
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            with written_aside(self.memory) as aside, aside.open("wb") as f:
                for part in (head, self._table.view(np.uint8).data, self._texts):
                    f.write(part)
                    seal.update(part)
                f.write(seal.digest())


def _keys(paths: Sequence[StrPath]) -> np.ndarray:
    """A number for each path (N,). Two that share one, which 10^7 files have once in 10^5 sets,
    differ in their stamps, so that they only forget each other."""
    names = (os.fsencode(p) for p in paths)
    return np.frombuffer(
        b"".join(hashlib.blake2b(n, digest_size=8).digest() for n in names), np.uint64
    )


def _stamp(path: StrPath) -> tuple[int, int, int, int]:
    """What tells that a file is as it was; a size of -1 for one that is not there."""
    try:
        s = os.stat(path)
    except OSError:
        return -1, 0, 0, 0
    return s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino - (s.st_ino >> 63 << 64)


def _sealed(data: bytes) -> bool:
    """Whether a memory is as it was written: a false digest would be believed."""
    return hashlib.sha256(memoryview(data)[:-_SEAL]).digest() == data[-_SEAL:]
