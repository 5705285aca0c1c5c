"""Digests: what decides whether cached features may be reused."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.atomic import write_text_atomic


def digest(value: Any) -> str:
    """sha256 (hex) of a JSON value in canonical form: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def array_digest(array: np.ndarray) -> str:
    """sha256 (hex) of an array's dtype, shape and bytes in C order."""
    h = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    h.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return h.hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """sha256 (hex) of a file's bytes. Raises ``OSError`` as ``open`` does."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


class FileDigests:
    """Content digests of many files, remembered between runs.

    A remembered digest is used while size, inode, modification and change time of the file are
    what they were (the rule of git's index), so an untouched data set costs one ``stat`` a file.
    A file that cannot be read has a digest of its own (``"unreadable"``): the item is quarantined
    later, with its reason, and read again when the file changes.
    """

    def __init__(self, memory: Path | None = None, threads: int = 4) -> None:
        self.memory, self.threads = memory, threads

    def __call__(
        self, paths: Iterable[Path], progress: Callable[[int], None] | None = None
    ) -> list[str]:
        """Hex digests in the order of ``paths``; ``progress`` is told the number of files done."""
        known = self._load()
        stamps: dict[str, list[Any]] = {}

        def one(path: Path) -> str:
            name = str(path)
            try:
                s = os.stat(path)
                stamp = [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino]
                old = known.get(name)
                value = old[4] if old and old[:4] == stamp else file_digest(path)
            except OSError:
                return "unreadable"
            stamps[name] = [*stamp, value]
            return value

        out = []
        with ThreadPoolExecutor(self.threads) as pool:
            for i, value in enumerate(pool.map(one, paths), 1):
                out.append(value)
                if progress:
                    progress(i)
        if stamps != known:
            self._save(stamps)
        return out

    def _load(self) -> dict[str, list[Any]]:
        if self.memory is None:
            return {}
        try:
            text, _, seal = self.memory.read_text(encoding="utf-8").partition("\n")
            if seal and seal != _seal(text):
                return {}
            found = json.loads(text)
            sound = isinstance(found, dict) and all(
                isinstance(v, list) and len(v) == 5 and isinstance(v[4], str)
                for v in found.values()
            )
            return found if sound else {}
        except (OSError, ValueError):  # absent or damaged: only a memory, made anew
            return {}

    def _save(self, stamps: dict[str, list[Any]]) -> None:
        if self.memory is None:
            return
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, not truth
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(stamps)
            write_text_atomic(self.memory, f"{text}\n{_seal(text)}")


def _seal(text: str) -> str:
    """What stands on the line after remembered digests: a false one would be believed."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
