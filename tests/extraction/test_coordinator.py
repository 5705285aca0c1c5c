"""The coordinator of several processes, with processes that are played."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from featprobe.core.errors import InputError, StoreError
from featprobe.extraction import coordinator
from featprobe.extraction.coordinator import Coordinator
from featprobe.extraction.options import Options
from featprobe.extraction.pipeline import Outcome, Times
from featprobe.extraction.resolve import settle
from featprobe.extraction.shard_worker import Report, ShardWorker, Work


class Store:
    """Shards of two frames that remember who committed them."""

    path = Path("films.zarr")
    layout = SimpleNamespace(shard=2, bounds=lambda s: (2 * s, 2 * s + 2))

    def __init__(self, shards: int) -> None:
        self.done: list[int] = []
        self.shards = shards

    def pending(self) -> list[int]:
        return [s for s in range(self.shards) if s not in self.done]

    def frame_item(self) -> np.ndarray:
        return np.arange(2 * self.shards)

    def items(self) -> SimpleNamespace:
        return SimpleNamespace(ids=np.array([f"i{n}" for n in range(2 * self.shards)]))

    def status(self) -> np.ndarray:
        return np.ones(2 * self.shards)

    def reasons(self) -> dict[int, str]:
        return {n: f"note {n}" for n in range(0, 2 * self.shards, 4)}


class Played:
    """A group whose processes commit one shard a report; ``deadly`` shards kill them, ``stillborn``
    slots bring none up, ``failing`` shards are an error."""

    def __init__(self, store, slots=2, deadly=(), stillborn=(), failing=()) -> None:
        self.store, self.slots = store, [f"slot{i}" for i in range(slots)]
        self.deadly, self.stillborn, self.failing = deadly, stillborn, failing
        self.links: list[SimpleNamespace] = []
        self.assigned: list[list[int]] = []
        self.started = 0

    def start(self, slot):
        self.started += 1
        first = Report(died="no GPU") if slot in self.stillborn else Report()
        link = SimpleNamespace(queue=[], owed=first, last=False, frames=0)
        self.links.append(link)
        return link

    def ask(self, link, shards, stop):
        if shards:
            self.assigned.append(shards)
            link.queue += shards
            link.last = False
        link.last = link.last or shards == [] or stop
        link.owed = self._work(link)

    def _work(self, link) -> Report:
        if not link.queue or (link.last and not link.queue):
            frames, link.frames = link.frames, 0
            return Report(outcome=Outcome(frames=frames, batch=2, times=Times(wait=1.0)))
        shard = link.queue.pop(0)
        if shard in self.deadly:
            return Report(died="SIGKILL")
        if shard in self.failing:
            return Report(error=StoreError("the disk is full"))
        self.store.done.append(shard)
        link.frames += 2
        return Report(frames=2, wants=not link.queue and not link.last)

    def wait(self, seconds):
        found = [(x, x.owed) for x in self.links if x.owed is not None]
        for link, _ in found:
            link.owed = None
        return found

    def drop(self, link):
        self.links.remove(link)


def run(played: Played, stop=lambda: False, **options):
    shown: list[int] = []
    o = settle(Options(device="cpu", batch_size=2, **options))
    made = Coordinator(
        played, played.store, played.store.pending(), o, stop=stop, on_frames=shown.append
    )
    return made.run(), sum(shown)


def test_every_shard_is_done_once_in_runs_that_get_shorter() -> None:
    played = Played(Store(100), slots=3)
    outcome, shown = run(played)
    assert sorted(played.store.done) == list(range(100))
    assert outcome.frames == shown == 200
    assert outcome.times.wait == 1.0  # of three processes, as long as one waited
    sizes = [len(run) for run in played.assigned]
    assert sizes[0] == coordinator.RUN
    assert sizes[-1] == 1
    assert all(run == list(range(run[0], run[-1] + 1)) for run in played.assigned)


def test_a_shard_that_kills_is_given_up_and_the_rest_is_done(capsys) -> None:
    played = Played(Store(40), deadly={7, 23})
    with pytest.raises(InputError, match=r"of shard 7 \(2 items: i14, i15\); of shard 23") as e:
        run(played)
    assert "\n" not in str(e.value)
    assert sorted(played.store.done) == [s for s in range(40) if s not in (7, 23)]
    assert (
        played.assigned.count([7]) == coordinator.TRIES - 1
    )  # the first time among its neighbours
    assert capsys.readouterr().err.count("died (SIGKILL)") == 2 * coordinator.TRIES


def test_notes_of_a_process_that_died_are_read_from_the_store() -> None:
    played = Played(Store(8), slots=1, deadly={3})
    played.store.done.append(7)
    real = played.start

    def start(slot):
        if played.started:
            played.deadly = ()
        return real(slot)

    played.start = start
    outcome, shown = run(played)
    assert outcome.frames == shown == 14
    assert set(outcome.notes.values()) <= {f"note {n}" for n in (0, 4)}
    assert outcome.notes[0] == "note 0"


def test_slots_where_nothing_starts_are_left_alone(capsys) -> None:
    played = Played(Store(12), slots=2, stillborn={0})
    outcome, _ = run(played)
    assert outcome.frames == 24
    assert 2 <= played.started <= 1 + coordinator.TRIES
    assert "slot0 died (no GPU)" in capsys.readouterr().err


def test_when_nothing_starts_anywhere_that_is_told() -> None:
    with pytest.raises(InputError, match=r"one after the other, the last on slot. \(no GPU\)"):
        run(Played(Store(12), slots=2, stillborn={0, 1}))


def test_when_every_shard_kills_it_ends_early() -> None:
    played = Played(Store(500), deadly=range(500))
    with pytest.raises(InputError, match="die one after the other"):
        run(played)
    assert played.started < 30


def test_the_first_error_ends_all() -> None:
    played = Played(Store(40), failing={11})
    with pytest.raises(StoreError, match="the disk is full"):
        run(played)
    assert 11 not in played.store.done


def test_stopped_before_anything_began() -> None:
    played = Played(Store(40))
    outcome, shown = run(played, stop=lambda: True)
    assert outcome.stopped
    assert shown == outcome.frames == 0


def test_a_folder_that_is_not_shared_and_other_versions_are_told(tmp_path: Path) -> None:
    work = Work(None, None, str(tmp_path / "a.zarr"), None, tmp_path / "token")
    o = settle(Options(device="cpu"))
    with pytest.raises(InputError, match="does not see .*a.zarr: the cache must be on a disk"):
        ShardWorker(work, o)
    work.versions["torch"] = "1.0"
    with pytest.raises(InputError, match="but the leading process featprobe .*, torch 1.0"):
        ShardWorker(work, o)
