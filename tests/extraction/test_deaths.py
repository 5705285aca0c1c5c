"""Many workers of one store that die at any step leave what one worker makes, bit by bit.

See :mod:`tests.extraction.played`, which plays the processes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from featprobe.extraction.shard_schedule import ShardSchedule
from featprobe.store.containers import SUFFIXES, open_store
from featprobe.testing.cases import StoreCase, fill
from tests.extraction.played import (
    FEATURES,
    WORKERS,
    Process,
    by_one,
    check,
    current,
    made,
    played,
    run,
    write,
)


@pytest.fixture(params=sorted(SUFFIXES))
def case(request: pytest.FixtureRequest) -> Iterator[StoreCase]:
    found = StoreCase()
    found.kind = request.param
    with played():
        yield found


@pytest.mark.parametrize("seed", range(2))
def test_64_workers_that_die_at_random_leave_what_one_makes(case, tmp_path, seed: int) -> None:
    found = run(case, tmp_path, seed, ray=False)
    assert found.wrong == ""
    assert found.deaths >= found.repeated > 20


@pytest.mark.parametrize("seed", range(2, 5))
def test_64_actors_of_ray_that_die_at_random_leave_what_one_makes(
    case, tmp_path, seed: int
) -> None:
    """What speaks with Ray is the real one."""
    pytest.importorskip("ray", reason="Ray is not here: pip install 'featprobe[ray]'")
    found = run(case, tmp_path, seed, ray=True)
    assert found.wrong == ""
    assert found.deaths >= found.repeated > 20


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
                writing[shard] = current()
                write(own, shard)
                del writing[shard]
                schedule.done(shard)
            current().pause()

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
