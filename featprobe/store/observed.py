"""How the files behind a store looked when it was extracted last, to say later that they changed.

Probes read features, never files, so they would not notice. One small file beside the store keeps
size and modification time of the files, of at most :data:`MOST` evenly over the data set, and how
many files lie in their folders. What has changed is a note, not an error: only ``extract``, which
reads the files, can tell whether their contents are others.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from featprobe.store.storage_path import StoragePath

Name = str | os.PathLike[str]
SUFFIX = ".seen"
MOST = 20_000


def file(store: StoragePath) -> StoragePath:
    """Where it lies: beside the store, and of the caches that use it, not of it."""
    return store.parent / f".{store.name}{SUFFIX}"


def remember(store: StoragePath, files: Sequence[Name], tables: Sequence[Name] = ()) -> None:
    """Keep how ``files`` of items and ``tables`` of labels and splits look now."""
    step = -(-len(files) // MOST) or 1
    names = [os.path.abspath(path) for path in files[::step]]
    seen = {name: _look(name) for name in [*map(os.path.abspath, tables), *names]}
    folders = sorted({os.path.dirname(name) for name in names})
    value = {
        "files": {name: look for name, look in seen.items() if look},
        "folders": {name: _entries(name) for name in folders[:MOST]},
    }
    with contextlib.suppress(OSError):  # a cache that cannot be written is still read
        file(store).write(json.dumps(value).encode(), sync=False)


class Looks:
    """How files and folders look now, each asked once: the stores of a data set are of the same."""

    def __init__(self) -> None:
        self.file, self.entries = lru_cache(None)(_look), lru_cache(None)(_entries)


def changes(store: StoragePath, now: Looks) -> str:
    """What has changed since, in a sentence; empty where nothing has, or nothing is known.

    Files that are gone altogether, as of a disk that is not there, say nothing of the features.
    """
    value = _read(store)
    looks = [(name, old, now.file(name)) for name, old in value.get("files", {}).items()]
    other = [name for name, old, new in looks if new and list(new) != old]
    gone = [name for name, _, new in looks if not new]
    if len(gone) == len(looks):
        return ""
    grown = [
        name for name, n in value.get("folders", {}).items() if os.path.isdir(name)
        and now.entries(name) > n
    ]  # fmt: skip
    parts = [
        *_part(other, "changed"),
        *_part(gone, "gone"),
        *_part(grown, "folder with more files"),
    ]
    return ", ".join(parts)


def _part(names: Sequence[str], what: str) -> Iterator[str]:
    if names:
        yield f"{len(names)} {what} ({names[0]}{', ...' if len(names) > 1 else ''})"


def _look(path: Name) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _entries(folder: str) -> int:
    """Number of entries of a folder but for hidden ones."""
    try:
        with os.scandir(folder) as found:
            return sum(not entry.name.startswith(".") for entry in found)
    except OSError:
        return 0


def _read(store: StoragePath) -> dict[str, Any]:
    try:
        value = json.loads(file(store).read())
        sound = isinstance(value, dict) and all(
            isinstance(value.get(part), dict) for part in ("files", "folders")
        )
        return value if sound else {}
    except (OSError, ValueError):  # absent or damaged: only a memory
        return {}
