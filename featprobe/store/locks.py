"""Locks of shards: which process extracts which shard, when several work on one store.

A lock (``flock``) is on a small file beside the store. The system releases it when its
process ends, however it ends, so nothing depends on a clock and no lock outlives its owner. Object
stores and file systems without locks have no locks: there every lock is granted, and processes
divide the shards among themselves beforehand (``--shard i/n``). Granting one twice loses time and
nothing else, because a shard is put whole and both put the same numbers.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType

from featprobe.core.file_lock import lock
from featprobe.store.storage_path import StoragePath

SUFFIX = ".locks"


class ShardLock:
    """A shard that this process works on, until :meth:`release` or the end of ``with``."""

    def __init__(self, path: Path | None = None, handle: int = -1) -> None:
        self._path, self._handle = path, handle

    def release(self) -> None:
        """Release the lock."""
        if self._handle >= 0 and self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> ShardLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def folder(store: StoragePath) -> StoragePath:
    """Where the lock files of a store lie: beside it, so that they never travel with a copy."""
    return store.parent / f".{store.name}{SUFFIX}"


def take(store: StoragePath, name: str) -> ShardLock | None:
    """Take the lock of a name; None while another process (or object) holds it."""
    beside = folder(store).local
    if beside is None:
        return ShardLock()
    path = beside / name
    while True:
        try:
            beside.mkdir(exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the folder was removed in between
            continue
        except OSError:  # a cache that cannot be written; writing to it will say so
            return ShardLock()
        if lock(handle) is False:
            os.close(handle)
            return None
        try:
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return ShardLock(path, handle)
        except OSError:  # its former owner removed it between open and lock
            pass
        os.close(handle)


def held(store: StoragePath) -> list[str]:
    """Names of the locks that are held by any process."""
    out = []
    for name in folder(store).names():
        found = take(store, name)
        if found is None:
            out.append(name)
        else:
            found.release()
    return out
