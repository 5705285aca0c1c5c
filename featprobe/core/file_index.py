"""What is remembered of files between runs: digests of their contents and facts of their headers.

A remembered entry is used while size, modification time, change time and inode of the file are what
they were (the rule of git's index), so an untouched data set costs one ``stat`` a file and no
opening.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.file_memory import RECORD, FileMemory
from featprobe.core.fingerprint import file_digest
from featprobe.core.opening import held
from featprobe.core.threads import on_threads

UNREADABLE = "unreadable"  # instead of a digest
BLOCK, AHEAD = 1024, 16  # files that are looked up together, and blocks under way
_MARK = b"featprobe index 1\n"
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
        self._requested = np.zeros(0, bool)
        self.kinds: set[str] = set()
        self._state = hashlib.sha256()

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
        rows = self._known.rows(_keys(paths))
        texts = iter(self._known.texts(self._known.records(rows[rows >= 0])))
        return [json.loads(next(texts) or b"null") if r >= 0 else None for r in rows.tolist()]

    @cached_property
    def _known(self) -> FileMemory:
        """Loaded for the first file that is asked for: pictures are listed without it."""
        found = FileMemory(self.memory, self._mark)
        self._requested = np.zeros(len(found), bool)
        return found

    # -- looking --------------------------------------------------------------------------------

    def _all(self, paths: Iterable[StrPath], whole: bool) -> Iterator[np.ndarray]:
        """The records of paths, block by block in order."""
        known, todo = self._known, iter(paths)
        blocks = iter(lambda: list(itertools.islice(todo, BLOCK)), [])
        read = partial(self._block, whole=whole)
        try:
            with contextlib.closing(on_threads(read, blocks, self.threads, AHEAD)) as found:
                for records in found:
                    self.kinds |= {k.decode() for k in set(records["kind"].tolist())}
                    yield records
        finally:  # also what was read before an interruption
            if known.keep(self._requested, BLOCK):
                self._requested = np.zeros(len(known), bool)

    def _block(self, paths: Sequence[StrPath], whole: bool) -> np.ndarray:
        out = np.zeros(len(paths), RECORD)
        out["key"], out["stamp"] = _keys(paths), np.array([_stamp(p) for p in paths], np.int64)
        rows = self._known.rows(out["key"])
        same = rows >= 0
        if same.any():
            old = np.zeros(len(paths), RECORD)
            old[same] = self._known.records(rows[same])
            same &= (old["stamp"] == out["stamp"]).all(1) & (old["whole"] | (not whole))
            same &= (old["size"] > 0) | (self.describe is None)
            out[same] = old[same]
            self._requested[rows[same]] = True
        fresh = np.flatnonzero(~same & (out["stamp"][:, 0] >= 0)).tolist()
        texts = [self._open(Path(paths[i]), out[i : i + 1], whole) for i in fresh]
        if fresh:
            out["size"][fresh] = [len(t) for t in texts]
            self._known.add(out[fresh], b"".join(texts))
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
            if whole or self.memory is not None:  # who asks for a header asks for the digest next
                with contextlib.suppress(OSError):
                    record["digest"] = np.frombuffer(bytes.fromhex(file_digest(path)), np.uint8)
                    record["whole"] = True
        return text


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
