"""Which shard is next, when other processes may be at work on the same store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from featprobe.store.base import FeatureStore
from featprobe.store.claims import Claim

SECONDS = 0.5  # between two looks at shards that others hold


class Turns:
    """Iterates over the shards that this process gets to extract, each with a claim on it.

    A shard that another process holds is left to it and looked at again at the end: it is taken
    over when that process has died without committing it, and waited for otherwise. ``again``:
    committed shards are extracted once more. ``stop``: asked while waiting.
    """

    def __init__(
        self, store: FeatureStore, shards: Iterable[int], again: bool, stop: Callable[[], bool]
    ) -> None:
        self.store, self.shards, self.again, self.stop = store, shards, again, stop
        self._claims: dict[int, Claim] = {}

    def __iter__(self) -> Iterator[int]:
        others: list[int] = []
        for shard in self.shards:
            if self._take(shard):
                yield shard
            else:
                others.append(shard)
        while others and not self.stop():
            pending = set(self.store.pending())
            others = [s for s in others if s in pending]
            for shard in list(others):
                if self._take(shard):
                    others.remove(shard)
                    yield shard
            if others:
                time.sleep(SECONDS)

    def _take(self, shard: int) -> bool:
        claim = self.store.claim(shard, committed=self.again)
        if claim is None:
            return False
        self._claims[shard] = claim
        return True

    def done(self, shard: int) -> None:
        """A shard is written: others may know."""
        if claim := self._claims.pop(shard, None):
            claim.release()

    def release(self) -> None:
        """Give back what was not written."""
        for shard in list(self._claims):
            self.done(shard)
