"""What may befall a ``featprobe extract``: kill -9, full and read-only disks, flipped bits, clocks.

``FEATPROBE_TEST_KILLS=50`` kills that many processes for each container instead of a few.
"""

from __future__ import annotations

import json
import os
import random
import resource
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featprobe.store.base import FeatureStore
from featprobe.store.containers import SUFFIXES, open_store
from featprobe.store.format import DONE
from featprobe.store.garbage import find_garbage
from featprobe.testing import faults
from tests.extraction import commands
from tests.extraction.films import class_films

KILLS = int(os.environ.get("FEATPROBE_TEST_KILLS", "10"))
FRAMES, BATCH = 256, 4
LATER = 10 * 365 * 86400


class Machine:
    """Films, a tiny model, and what an extraction that nothing befell gives of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, folder / "said"
        self.said.mkdir()
        self.films = class_films(folder / "films", FRAMES // 2)
        self.model = commands.save_tiny(folder / "tiny")
        for file in self.model.iterdir():
            file.chmod(0o644)
        self.run("whole")  # imports everything in the process that the others are forked from
        begin = time.perf_counter()
        self.run("again")
        self.seconds = time.perf_counter() - begin
        store = self.store("whole")
        self.features = {name: store.read(name) for name in store.layout.arrays}

    def start(self, cache: str, *options: object, kind: str = "zarr", **first) -> commands.Command:
        return commands.start(
            self.said / str(time.monotonic_ns()), "extract", "--model", self.model,
            "--data", self.films, "--device", "cpu", "--cache", self.folder / cache,
            "--batch-size", BATCH, "--workers", 0, "--quiet", "--store", kind, *options, **first,
        )  # fmt: skip

    def run(self, cache: str, *options: object, code: int = 0, **rest) -> str:
        """What an extraction says that ends with this code."""
        ended, said = self.start(cache, *options, **rest).end()
        assert ended == code, said
        assert "Traceback" not in said
        return said

    def told(self, cache: str, *verb: object) -> tuple[int, str]:
        """Exit code and words of a ``featprobe cache`` verb."""
        return commands.run(self.said / "cache", "cache", "--cache", self.folder / cache, *verb)

    def stores(self, cache: str) -> list[FeatureStore]:
        found = (self.folder / cache / "features" / "films").glob("[!.]*")
        return [open_store(p) for p in sorted(found)]

    def store(self, cache: str) -> FeatureStore:
        (store,) = self.stores(cache)
        return store

    def check(self, store: FeatureStore) -> None:
        """All that is committed is there and right, bit for bit."""
        there = store.status() == DONE
        for name, values in self.features.items():
            assert store.read(name)[there].tobytes() == values[there].tobytes()
        assert store.verify() == []


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with faults.public_folder() as folder:
        yield Machine(folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_kill_9_of_two_writers_at_random_moments_loses_nothing_committed(machine, kind) -> None:
    rng, killed, rounds = random.Random(kind), 0, 0
    while killed < KILLS:
        cache, rounds = f"killed-{kind}-{rounds}", rounds + 1
        committed: set[int] = set()
        complete = False
        while not complete and killed < KILLS:
            writers = [machine.start(cache, kind=kind) for _ in range(2)]
            begin = time.perf_counter()
            moments = sorted(rng.uniform(0, 1.5 * machine.seconds) for _ in writers)
            for writer, moment in zip(writers, moments):
                time.sleep(max(0, begin + moment - time.perf_counter()))
                killed += writer.kill()
            for store in machine.stores(cache):
                assert committed <= store.committed()
                committed, complete = store.committed(), store.complete
                machine.check(store)
        machine.run(cache, kind=kind)
        store = machine.store(cache)
        assert store.attributes["complete"]
        assert store.status().tolist() == [DONE] * FRAMES
        machine.check(store)
        for left in find_garbage(machine.folder / cache):
            left.remove()
        assert not list((machine.folder / cache).rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(machine, kind) -> None:
    cache = f"full-{kind}"
    with faults.small_disk(machine.folder / cache, 300_000) as grow:
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (900, 900))
        said = machine.run(cache, kind=kind, code=2, first=None if grow else limit)
        assert said.count("\n") == 1
        assert "No space left on device" in said or not grow
        if grow:
            assert "what is committed stays, and the same command goes on from there" in said
            store = machine.store(cache)
            assert 0 < len(store.committed()) < store.layout.shards
            machine.check(store)
            done = int((store.status() == DONE).sum())
            grow(64 << 20)
            summary = json.loads(machine.run(cache, "--json", kind=kind))
            assert summary["new_frames"] == FRAMES - done
        else:
            machine.run(cache, kind=kind)
        machine.check(machine.store(cache))
        assert machine.store(cache).complete


def count_forwards(log: Path) -> None:
    """Write down how many frames go through the backbone in this process."""
    from featprobe.backbones.base import Backbone

    real = Backbone.forward

    def forward(self, x, *rest):
        with log.open("a") as f:
            f.write(f"{len(x)}\n")
        return real(self, x, *rest)

    Backbone.forward = forward


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_flipped_bytes_are_named_and_only_their_shards_are_forwarded_again(machine, kind) -> None:
    cache, rng = f"flipped-{kind}", random.Random(0)
    machine.run(cache, kind=kind)
    store = machine.store(cache)
    shards = rng.sample(range(store.layout.shards), 6)
    for n, shard in enumerate(shards):
        chunk = store._chunk(("cls", "mean", "status")[n % 3], shard)
        faults.flip(Path(str(chunk.place)), chunk.offset + rng.randrange(chunk.size))
    code, said = machine.told(cache, "verify", "--json")
    assert code == 1
    named = {d["shard"] for d in json.loads(said)["damage"]}
    assert named == set(shards)
    assert machine.told(cache, "verify", "--repair")[0] == 0
    log = machine.folder / f"forwards-{kind}"
    summary = json.loads(
        machine.run(cache, "--json", kind=kind, first=partial(count_forwards, log))
    )
    assert summary["new_frames"] == 6 * store.layout.shard
    assert sum(map(int, log.read_text().split())) == 6 * store.layout.shard
    assert machine.told(cache, "verify")[0] == 0
    machine.check(machine.store(cache))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_read_only_cache_is_used_and_never_written(machine, kind) -> None:
    machine.run(f"kept-{kind}", kind=kind)
    machine.run(f"half-{kind}", "--shard", "1/2", kind=kind)
    nobody = partial(os.setuid, faults.NOBODY) if os.geteuid() == 0 else None
    folders = [f for f, _, _ in os.walk(machine.folder) if f != str(machine.said)]
    for folder in folders:
        os.chmod(folder, 0o555)
    try:
        said = machine.run(f"kept-{kind}", kind=kind, first=nobody)
        assert "nothing to do: all frames are in the cache" in said
        said = machine.run(f"half-{kind}", kind=kind, code=2, first=nobody)
        assert said.count("\n") == 1
        assert "Permission denied; what is committed stays, and the same command goes" in said
        said = machine.run(f"none-{kind}", kind=kind, code=2, first=nobody)
        assert said.count("\n") == 1
        assert "cannot be written" in said
    finally:
        for folder in folders:
            os.chmod(folder, 0o755)
    machine.check(machine.store(f"half-{kind}"))


def clock_of_1970() -> None:
    """Set the clock of this process back."""
    time.time, time.time_ns = lambda: 5.0, lambda: 5 * 10**9


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_clock_set_back_changes_nothing(machine, kind) -> None:
    cache = f"clock-{kind}"
    assert "part 1 of 2 is done" in machine.run(cache, "--shard", "1/2", kind=kind)
    later = time.time() + LATER
    for path in (machine.folder / cache).rglob("*"):
        os.utime(path, (later, later))
    done = int((machine.store(cache).status() == DONE).sum())
    again = machine.run(cache, "--json", kind=kind, first=clock_of_1970)
    assert 0 < json.loads(again)["new_frames"] == FRAMES - done
    machine.check(machine.store(cache))
    last = machine.run(cache, "--json", kind=kind, first=clock_of_1970)
    assert json.loads(last)["new_frames"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_changed_file_gives_another_store_and_the_reason_is_told(machine, kind) -> None:
    cache, film = f"changed-{kind}", machine.films / "a" / "a003.png"
    machine.run(cache, "--shard", "1/2", kind=kind)
    old, before = machine.store(cache), film.read_bytes()
    try:
        Image.fromarray(np.full((60, 60), 7, np.uint8)).save(film)
        said = machine.run(cache, kind=kind)
    finally:
        film.write_bytes(before)
    told = f"films: its files, or what reads them, have changed since {old.path.stem}, whose"
    assert told in said
    assert f"extracted {FRAMES} frames" in said
    assert old.pending()
    new = next(s for s in machine.stores(cache) if s.path != old.path)
    assert new.complete
    assert (new.read("cls") != machine.features["cls"]).any((1, 2)).tolist() == [
        i == 3 for i in range(FRAMES)
    ]
    machine.check(old)
