"""One of several processes that extract shards of the same store, and what it reports.

The coordinator (see :mod:`featprobe.extraction.coordinator`) calls
:meth:`ShardWorker.exchange` again and again, over Ray or a pipe: shards go one way, a
:class:`Report` comes back.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from featprobe.backbones.base import Backbone
from featprobe.core.errors import FeatprobeError, InputError, StoreError, reason
from featprobe.core.versions import versions_of
from featprobe.datasets.base import Dataset
from featprobe.extraction.engine import on_this_machine
from featprobe.extraction.options import Settings
from featprobe.extraction.pipeline import Outcome
from featprobe.store.base import FeatureStore
from featprobe.store.containers import open_store
from featprobe.store.format import FeatureKey
from featprobe.store.storage_path import StoragePath

SECONDS = 1.0  # at most between two reports


def versions() -> dict[str, str]:
    """Of what makes the numbers."""
    return versions_of(("torch",))


@dataclass
class Work:
    """All that a shard worker needs, sent once.

    ``token``: a file by which a worker finds out whether it shares a file system with the
    coordinator; None where there is none.
    """

    backbone: Backbone
    dataset: Dataset
    path: str
    key: FeatureKey
    token: Path | None
    versions: dict[str, str] = field(default_factory=versions)

    @classmethod
    def of(
        cls, backbone: Backbone, dataset: Dataset, store: FeatureStore, token: Path | None
    ) -> Work:
        """The work on a store; the backbone travels through the memory of the host."""
        return cls(backbone.to("cpu"), dataset, str(store.path), store.key, token)


@contextlib.contextmanager
def shared(store: StoragePath) -> Iterator[Path | None]:
    """An empty file beside a store, for as long as several processes work on it; none beside one
    that is not on this machine's disks."""
    path = store.local
    if path is None:
        yield None
        return
    token = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.shared")
    token.touch()
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


@dataclass
class Report:
    """``frames`` since the last one; ``wants``: shards, for the present ones are nearly done.

    ``outcome``: of the shards given since the last outcome, all of them committed. ``error``: why
    there is none, of ours or the system's; ``died``: the same for what nobody expected.
    """

    frames: int = 0
    wants: bool = False
    outcome: Outcome | None = None
    error: Exception | None = None
    died: str = ""


class ShardWorker:
    """Extracts what it is given on one device, in a thread of its own."""

    def __init__(self, work: Work, o: Settings) -> None:
        where = socket.gethostname()
        if work.versions != versions():
            theirs, ours = (", ".join(f"{k} {v}" for k, v in x.items())
                            for x in (work.versions, versions()))  # fmt: skip
            raise InputError(f"{where} has {ours}, but the leading process {theirs}")
        if work.token is not None and not work.token.exists():
            raise InputError(
                f"{where} does not see {work.path}: the cache must be on a disk that all share"
            )
        self.work, self.o = work, o
        self.store = open_store(work.path, work.key)
        self._events: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._queue: queue.SimpleQueue[list[int]] | None = None
        self._stop = threading.Event()
        self._frames = 0
        self._reported = 0

    def exchange(self, shards: list[int] | None, stop: bool = False) -> Report:
        """Take shards and tell how far it is, after :data:`SECONDS` at the latest.

        ``shards``: more to do; none at all: no more will come, an outcome is wanted; None: nothing
        new. ``stop``: after the shard in flight.
        """
        if stop:
            self._stop.set()
        if shards and self._queue is None:
            self._queue = queue.SimpleQueue()
            threading.Thread(target=self._session, args=(self._queue,), daemon=True).start()
        if shards is not None and self._queue is not None:
            self._queue.put(shards)
        try:
            report = self._events.get(timeout=SECONDS)
        except queue.Empty:
            report = Report()
        if not report.wants and (report.outcome or report.error or report.died):
            self._queue = None
        report.frames, self._reported = self._frames - self._reported, self._frames
        return report

    def _session(self, given: queue.SimpleQueue[list[int]]) -> None:
        try:
            outcome = on_this_machine(
                self.work.backbone, self.work.dataset, self.store, self._shards(given), self.o,
                stop=self._stop.is_set, on_frames=self._count,
            )  # fmt: skip
        except (FeatprobeError, OSError) as error:
            self._events.put(Report(error=plain(error)))
        except BaseException as error:
            self._events.put(Report(died=reason(error)))
        else:
            self._events.put(Report(outcome=outcome))

    def _shards(self, given: queue.SimpleQueue[list[int]]) -> Iterator[int]:
        """Shards as they come; more are asked for while the last one is decoded."""
        while shards := given.get():
            yield from shards[:-1]
            self._events.put(Report(wants=True))
            yield shards[-1]

    def _count(self, n: int) -> None:
        self._frames += n


def plain(error: Exception) -> Exception:
    """An error that any process can read: libraries' own kinds become ours."""
    return error if isinstance(error, FeatprobeError) else StoreError(reason(error))
