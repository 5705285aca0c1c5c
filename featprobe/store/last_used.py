"""When a store was last used: one number beside it, which only grows.

Of several stores of the same features of changed data, the one last used counts. A clock may be set
back, and a copy may lose modification times; so the number is the time in nanoseconds or, where
that is not above the numbers of the neighbours, one more than the largest of them.
"""

from __future__ import annotations

import contextlib
import time

from featprobe.store.storage_path import StoragePath

SUFFIX = ".used"


def file(store: StoragePath) -> StoragePath:
    """Where the number of a store lies: beside it, and of the caches that use it, not of it."""
    return store.parent / f".{store.name}{SUFFIX}"


def last(store: StoragePath) -> int:
    """Time of the last use in nanoseconds since 1970; without a record, that of its folder."""
    try:
        return max(0, int(file(store).read()))
    except (OSError, ValueError):
        return 0 if store.local is None else store.local.stat().st_mtime_ns


def touch(store: StoragePath) -> None:
    """Make this the last used of the stores in its folder."""
    with contextlib.suppress(OSError):  # a cache that cannot be written is still read
        others = [n for n in store.parent.names() if not n.startswith(".") and n != store.name]
        numbers = [last(store.parent / n) + 1 for n in others]
        file(store).write(str(max([time.time_ns(), *numbers])).encode())
