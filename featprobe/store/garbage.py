"""What ``featprobe cache gc`` removes: files that killed runs left, stores of data that changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from featprobe.core.atomic import PARTIAL
from featprobe.core.file_lock import lock
from featprobe.store import attributes, last_used, locks, observed
from featprobe.store.cache import discard, entries, superseded
from featprobe.store.containers import kind_of
from featprobe.store.locate import storage_path
from featprobe.store.storage_path import StoragePath, Where

BESIDE = (locks.SUFFIX, last_used.SUFFIX, attributes.SUFFIX, observed.SUFFIX)


@dataclass(frozen=True)
class Garbage:
    """A file or folder that may be removed, why, and its size in bytes."""

    path: StoragePath
    why: str
    bytes: int

    def remove(self) -> None:
        """Remove it. Raises :class:`InputError` when a process works on it."""
        if kind_of(self.path) and not self.path.name.startswith("."):
            discard(self.path)
        else:
            self.path.remove()


def find_garbage(cache: Where | StoragePath) -> Iterator[Garbage]:
    """Temporary files of writers that are gone, locks and numbers of stores that are gone, and
    stores of the same features of other contents than those last used.

    Incomplete stores stay: their extraction goes on. So does what a living process writes.
    """
    root = storage_path(cache) / "features"
    for dataset in root.names():
        folder = root / dataset
        names = set(folder.names())
        for name in sorted(names):
            path = folder / name
            if name.endswith(PARTIAL):
                if not _alive(path):
                    yield Garbage(path, "half made by a run that was killed", _size(path))
            elif name.startswith(".") and name.endswith(BESIDE):
                of = name[1:].rpartition(".")[0]
                if of not in names:
                    yield Garbage(path, f"{of} is gone", _size(path))
            elif kind_of(path) is not None:
                yield from _inside(path)
    stores = [e.store for e in entries(cache) if e.store is not None and e.store.complete]
    for store, newer in superseded(stores).items():
        why = f"of other files than {newer.path.name}, which was used last"
        if store.key == newer.key:
            why = f"the same features as {newer.path.name}, which was used last"
        yield Garbage(store.path, why, sum(n for _, n in store.path.files()))


def _inside(path: StoragePath) -> Iterator[Garbage]:
    for name, size in path.files():
        file = path
        for part in name.split(os.sep if path.local else "/"):
            file = file / part
        if name.endswith(PARTIAL) and not _alive(file):
            yield Garbage(file, "half written by a run that was killed", size)


def _size(path: StoragePath) -> int:
    if path.local is not None and path.local.is_file():
        return path.local.stat().st_size
    return sum(n for _, n in path.files())


def _alive(path: StoragePath) -> bool:
    """Whether a process still writes it: writers lock what they write."""
    if path.local is None:
        return False
    try:
        handle = os.open(path.local, os.O_RDONLY)
    except OSError:
        return True  # renamed in the meantime
    try:
        return lock(handle) is False
    finally:
        os.close(handle)
