"""Which shard is next, when other processes may be at work on the same store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from featprobe.store.base import FeatureStore
from featprobe.store.locks import ShardLock

SECONDS = 0.5  # between two looks at shards that others hold


class ShardSchedule:
    """Iterates over the shards that this process gets to extract, each locked.

    A shard that another process holds is left to it and noted in ``others``. Nobody waits here:
    locks are taken ahead of the work, and two processes that waited for each other's would do so
    for ever. ``again``: committed shards are extracted once more.
    """

    def __init__(self, store: FeatureStore, shards: Iterable[int], again: bool) -> None:
        self.store, self.shards, self.again = store, shards, again
        self.others: list[int] = []
        self._locks: dict[int, ShardLock] = {}

    def __iter__(self) -> Iterator[int]:
        for shard in self.shards:
            lock = self.store.lock_shard(shard, committed=self.again)
            if lock is None:
                self.others.append(shard)
            else:
                self._locks[shard] = lock
                yield shard

    def left(self) -> list[int]:
        """Shards of others that are still not committed, after a moment if there are any."""
        if not self.others:
            return []
        pending = set(self.store.pending())
        found = [s for s in self.others if s in pending]
        if found:
            time.sleep(SECONDS)
        return found

    def done(self, shard: int) -> None:
        """A shard is written: others may know."""
        if lock := self._locks.pop(shard, None):
            lock.release()

    def release(self) -> None:
        """Give back what was not written."""
        for shard in list(self._locks):
            self.done(shard)
