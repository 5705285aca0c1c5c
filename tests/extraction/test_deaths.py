"""Many workers of one store that die at any step leave what one worker makes, bit by bit.

The coordinator, the schedule, the locks and the store are the real ones. Processes are played by
threads of which one runs at a time: at every call to the system it stops, a seeded scheduler says
who goes on, and who is killed there: a call in the middle of a write leaves half of it, nothing is
cleaned up, and locks go as they go with a process.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featprobe.core.atomic import PARTIAL
from featprobe.extraction import shard_schedule
from featprobe.extraction.coordinator import TRIES, Coordinator
from featprobe.extraction.options import Options
from featprobe.extraction.pipeline import Outcome
from featprobe.extraction.resolve import settle
from featprobe.extraction.shard_schedule import ShardSchedule
from featprobe.extraction.shard_worker import Report
from featprobe.store import locks, storage_path
from featprobe.store.base import FeatureStore
from featprobe.store.containers import SUFFIXES, open_store
from featprobe.store.format import Layout
from featprobe.testing.cases import StoreCase, fill, make_features
from featprobe.testing.faults import data_files

CALLS = ("open", "makedirs", "writev", "fsync", "replace", "close", "unlink")
WORKERS = 64
LAYOUT = Layout(271, 2, {"cls": (2, 40), "mean": (1, 40)})
FEATURES = make_features(LAYOUT)
_here = threading.local()  # .process: the one that this thread plays


class Killed(BaseException):
    """Nothing of a process catches it, and every further call of it raises it again."""


class System:
    """``os`` for the modules of a store: a played process stops at each of its calls."""

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        process = getattr(_here, "process", None)
        return real if process is None or name not in CALLS else self._stopping(process, real)

    def _stopping(self, process: Process, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            alive = not process.dead
            try:
                process.pause()
            except Killed:
                if real is os.writev and alive:
                    first = bytes(arguments[1][0])
                    os.write(arguments[0], first[: len(first) // 2])
                raise
            found = real(*arguments, **named)
            if real is os.open:
                process.handles.add(found)
            elif real is os.close:
                process.handles.discard(arguments[0])
            return found

        return call


class Process:
    """A thread that runs ``job`` as far as the next call each time it is let on."""

    def __init__(self, job: Callable[[], None]) -> None:
        self.job, self.handles = job, set[int]()
        self.ended = self.killed = self.dead = False
        self.error: BaseException | None = None
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.on()  # to its first call

    def _run(self) -> None:
        self._go.acquire()
        _here.process = self
        try:
            self.job()
        except Killed:
            for handle in self.handles:
                os.close(handle)  # as the system does, with the locks that are on them
        except BaseException as error:
            self.error = error
        self.ended = True
        self._back.release()

    def pause(self) -> None:
        if self.dead:
            raise Killed
        self._back.release()
        self._go.acquire()
        if self.killed:
            self.dead = True
            raise Killed

    def on(self, kill: bool = False) -> None:
        """Let it go on to its next call, or be killed in the present one."""
        self.killed = kill
        self._go.release()
        self._back.acquire()
        if self.ended:
            self._thread.join()
        if self.error is not None:
            raise self.error


def write(store: FeatureStore, shard: int) -> None:
    a, b = store.layout.bounds(shard)
    rows = {n: v[a:b] for n, v in FEATURES.items()}
    store.write_shard(shard, rows, np.ones(b - a, np.uint8), [""] * (b - a))


class Link:
    """A played worker as the group sees it."""

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.process: Process | None = None
        self.last = False
        self.frames = 0
        self.owed: Report | None = Report()


class Group:
    """64 workers; ``kills``: told the number of the call and the shards that would be lost."""

    def __init__(self, store: FeatureStore, rng: random.Random, kills: Callable[..., bool]) -> None:
        self.store, self.rng, self.kills = store, rng, kills
        self.slots = [f"slot{i}" for i in range(WORKERS)]
        self.links: list[Link] = []
        self.deaths, self.calls = Counter[int](), 0

    def start(self, slot: int) -> Link:
        self.links.append(Link())
        return self.links[-1]

    def ask(self, link: Link, shards: list[int] | None, stop: bool) -> None:
        link.queue += shards or []
        link.last = stop or shards == [] or (link.last and not shards)
        if link.queue:
            link.process = Process(lambda: self._work(link))
        else:
            frames, link.frames = link.frames, 0
            link.owed = Report(outcome=Outcome(frames=frames, batch=2))

    def _work(self, link: Link) -> None:
        store = open_store(self.store.path)
        schedule = ShardSchedule(store, link.queue[:1], again=False)
        for shard in schedule:
            write(store, shard)
            schedule.done(shard)

    def wait(self, seconds: float) -> list[tuple[Link, Report]]:
        while not (ready := [x for x in self.links if x.owed]):
            self._step(self.rng.choice([x for x in self.links if x.process]))
        found = [(x, x.owed) for x in ready if x.owed]
        for link in ready:
            link.owed = None
        return found

    def _step(self, link: Link) -> None:
        assert link.process is not None
        kill = self.kills(self.calls, link.queue, self.deaths)
        self.calls += 1
        link.process.on(kill)
        if not link.process.ended:
            return
        process, link.process = link.process, None
        if process.dead:
            there = self.store.committed()
            self.deaths.update(s for s in link.queue if s not in there)
            link.owed = Report(died="killed")
            return
        a, b = self.store.layout.bounds(link.queue.pop(0))
        link.frames += b - a
        link.owed = Report(frames=b - a, wants=not link.queue and not link.last)

    def drop(self, link: Link) -> None:
        self.links.remove(link)


@pytest.fixture(params=sorted(SUFFIXES))
def case(request, monkeypatch) -> StoreCase:
    monkeypatch.setattr(storage_path, "os", System())
    monkeypatch.setattr(locks, "os", System())
    monkeypatch.setattr(shard_schedule, "SECONDS", 0.0)
    made = StoreCase()
    made.kind = request.param
    return made


def stored(store: FeatureStore) -> dict[str, bytes]:
    """The bytes of what a store holds, and nothing but half-written files beside it."""
    found = {p.relative_to(str(store.path)).as_posix(): p for p in data_files(store.path)}
    return {n: p.read_bytes() for n, p in found.items() if not n.endswith(PARTIAL)}


def by_one(case: StoreCase, folder: Path, frames: int = LAYOUT.frames) -> dict[str, bytes]:
    store = made(case, folder, frames)
    fill(store, FEATURES)
    return stored(store)


def made(case: StoreCase, folder: Path, frames: int = LAYOUT.frames) -> FeatureStore:
    """An empty store of the first frames."""
    folder.mkdir()
    return case.make(folder, replace(LAYOUT, frames=frames))


def check(case: StoreCase, store: FeatureStore, one: dict[str, bytes]) -> None:
    again = open_store(store.path)
    assert again.pending() == []
    assert again.verify() == []
    case.check(again, {n: v[: again.layout.frames] for n, v in FEATURES.items()})
    assert stored(again) == one
    assert again.locked_shards() == []


@pytest.mark.parametrize("seed", range(2))
def test_64_workers_that_die_at_random_leave_what_one_makes(case, tmp_path, seed: int) -> None:
    one, rng = by_one(case, tmp_path / "one"), random.Random(seed)
    store = made(case, tmp_path / "many")

    def kills(call: int, lost: list[int], deaths: Counter[int]) -> bool:
        # a shard that has lost as many workers as it may is left in peace
        return max(deaths[s] for s in lost) < TRIES - 1 and rng.random() < 0.05

    group, shown = Group(store, rng, kills), list[int]()
    o = settle(Options(device="cpu", batch_size=2))
    run = Coordinator(group, store, store.pending(), o, stop=lambda: False, on_frames=shown.append)
    outcome = run.run()
    assert len(group.deaths) > 20  # shards that lost a worker
    assert outcome.frames == sum(shown) == LAYOUT.frames
    check(case, store, one)


def test_a_death_at_any_call_costs_that_call(case, tmp_path) -> None:
    """One worker and few shards; the next one begins where it was killed."""
    one, call, at = by_one(case, tmp_path / "one", 9), 0, []
    while True:
        store = made(case, tmp_path / f"{call}", 9)
        fill(store, FEATURES, range(2, 5))
        process = Process(lambda store=store: [write(store, s) for s in store.pending()])
        n = 0
        while not process.ended:
            process.on(kill=n == call)
            n += 1
        at.append(len(store.pending()))
        fill(open_store(store.path), FEATURES)
        check(case, store, one)
        if not process.dead:
            break
        call += 1
    assert at[0] == 2
    assert at[-1] == 0
    assert at == sorted(at, reverse=True)
    assert len(at) > 10


@pytest.mark.parametrize("seed", range(2))
def test_64_processes_without_a_coordinator_share_by_locks(case, tmp_path, seed: int) -> None:
    """As the same command on many machines: each takes what nobody holds; no shard is written by
    two at a time, and what one left that died is taken by another."""
    one, rng = by_one(case, tmp_path / "one"), random.Random(seed)
    store = made(case, tmp_path / "many")
    writing: dict[int, Process] = {}

    def join(number: int) -> None:
        own = open_store(store.path)
        while todo := own.pending():
            schedule = ShardSchedule(own, todo[number % len(todo) :] + todo, again=False)
            for shard in schedule:
                assert shard not in writing or writing[shard].dead, shard
                writing[shard] = _here.process
                write(own, shard)
                del writing[shard]
                schedule.done(shard)
            _here.process.pause()

    processes = [Process(lambda n=n: join(n)) for n in range(WORKERS)]
    deaths = 0
    while going := [p for p in processes if not p.ended]:
        chosen = rng.choice(going)
        kill = deaths < 300 and rng.random() < 0.03
        chosen.on(kill)
        if kill:
            deaths += 1
            n = len(processes)
            processes.append(Process(lambda n=n: join(n)))
    assert deaths > 50
    check(case, store, one)
