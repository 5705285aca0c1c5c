"""Processes that are played: one at a time goes on, and a seeded scheduler says who is killed.

Coordinator, schedule, locks and store are the real ones, as is what speaks with Ray. Processes are
played by threads of which one runs at a time: at every call to the system it stops, a seeded
scheduler says who goes on, and who is killed there: a call in the middle of a write leaves half of
it, nothing is cleaned up, and locks go as they go with a process.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from featprobe.core.atomic import PARTIAL
from featprobe.extraction import shard_schedule
from featprobe.extraction.coordinator import TRIES, Coordinator
from featprobe.extraction.options import Options
from featprobe.extraction.pipeline import Outcome
from featprobe.extraction.ray_cluster import ActorSlot
from featprobe.extraction.ray_engine import Actors
from featprobe.extraction.resolve import settle
from featprobe.extraction.shard_schedule import ShardSchedule
from featprobe.extraction.shard_worker import Report
from featprobe.store import locks, storage_path
from featprobe.store.base import FeatureStore
from featprobe.store.containers import open_store
from featprobe.store.format import Layout
from featprobe.testing.cases import StoreCase, fill, make_features
from featprobe.testing.faults import data_files

CALLS = ("open", "makedirs", "writev", "fsync", "replace", "close", "unlink")
WORKERS, RATE = 64, 0.05  # of deaths at a call
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


def current() -> Process:
    """The process that this thread plays."""
    return _here.process


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
        self.deaths, self.calls, self.killed = Counter[int](), 0, 0

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
            self.step()
        found = [(x, x.owed) for x in ready if x.owed]
        for link in ready:
            link.owed = None
        return found

    def step(self) -> None:
        """Let one worker go on to its next call."""
        link = self.rng.choice([x for x in self.links if x.process])
        assert link.process is not None
        kill = self.kills(self.calls, link.queue, self.deaths)
        self.calls += 1
        link.process.on(kill)
        if not link.process.ended:
            return
        process, link.process = link.process, None
        if process.dead:
            self.killed += 1
            there = self.store.committed()
            self.deaths.update(s for s in link.queue if s not in there)
            link.owed = Report(died="killed")
            return
        a, b = self.store.layout.bounds(link.queue.pop(0))
        link.frames += b - a
        link.owed = Report(frames=b - a, wants=not link.queue and not link.last)

    def drop(self, link: Link) -> None:
        self.links.remove(link)


class Lost(Exception):
    """What Ray raises for an answer of an actor that is gone."""


@dataclass(eq=False)
class Answer:
    """What a played actor will have said."""

    link: Link


class PlayedRay:
    """``ray`` for :class:`~featprobe.extraction.ray_engine.Actors`: its actors are a Group's."""

    exceptions = SimpleNamespace(RayError=Lost)

    def __init__(self, group: Group) -> None:
        self.group = group

    def remote(self, actor: type) -> PlayedRay:
        return self

    def options(self, **how: Any) -> Any:
        return SimpleNamespace(remote=self._start)

    def _start(self, *given: Any) -> Any:
        link = self.group.start(0)

        def exchange(shards: list[int] | None, stop: bool) -> Answer:
            self.group.ask(link, shards, stop)
            return Answer(link)

        return SimpleNamespace(
            link=link, open=SimpleNamespace(remote=lambda: Answer(link)),
            exchange=SimpleNamespace(remote=exchange),
        )  # fmt: skip

    def wait(
        self, answers: list[Answer], num_returns: int = 1, timeout: float = 0
    ) -> tuple[list[Answer], list[Answer]]:
        while timeout and not any(a.link.owed for a in answers):
            self.group.step()
        ready = [a for a in answers if a.link.owed][:num_returns]
        return ready, [a for a in answers if a not in ready]

    def get(self, answer: Answer) -> Report:
        report, answer.link.owed = answer.link.owed, None
        assert report is not None
        if report.died:
            raise Lost(report.died)
        return report

    def kill(self, actor: Any) -> None:
        self.group.drop(actor.link)


@dataclass(frozen=True)
class Run:
    """How many workers died, how many shards were done again, and what differs at the end."""

    deaths: int
    repeated: int
    shards: int
    wrong: str


def run(case: StoreCase, folder: Path, seed: int, ray: bool) -> Run:
    """64 workers, each killed at any of its calls with a probability of :data:`RATE`, no shard more
    often than is forgiven; compared with what one worker makes."""
    one, rng = by_one(case, folder / "one"), random.Random(seed)
    store = made(case, folder / "many")

    def kills(call: int, lost: list[int], deaths: Counter[int]) -> bool:
        # a shard that has lost as many workers as it may is left in peace
        return max(deaths[s] for s in lost) < TRIES - 1 and rng.random() < RATE

    group, shown = Group(store, rng, kills), list[int]()
    slots = [ActorSlot(f"{i + 1:056x}", f"node{i}", 1, 0) for i in range(WORKERS)]
    workers = Actors(PlayedRay(group), slots, None) if ray else group
    o = settle(Options(device="cpu", batch_size=2))
    ran = Coordinator(
        workers, store, store.pending(), o, stop=lambda: False, on_frames=shown.append
    ).run()
    wrong = "" if ran.frames == sum(shown) == LAYOUT.frames else "frames are not counted right"
    try:
        check(case, store, one)
    except AssertionError as error:
        wrong = f"not as one worker makes it: {error}"
    return Run(group.killed, len(group.deaths), store.layout.shards, wrong)


@contextmanager
def played() -> Iterator[None]:
    """Within it the modules of a store ask the played system, and nobody waits."""
    with (
        patch.object(storage_path, "os", System()), patch.object(locks, "os", System()),
        patch.object(shard_schedule, "SECONDS", 0.0),
    ):  # fmt: skip
        yield


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
