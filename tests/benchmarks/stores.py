"""What stores cost against plain numpy files, as ratios measured interleaved in one run.

    python -m tests.benchmarks.stores [FOLDER]

Every function returns rows of ``name, ratio, seconds, against``: ``ratio`` is the median over
rounds of baseline seconds by store seconds, so that 1 is as fast and 0.5 takes twice as long.
FOLDER must lie on the disk in question; the system's temporary folder by default.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featprobe.store.base import FeatureStore
from featprobe.store.containers import SUFFIXES, create_store, open_store
from featprobe.store.format import DONE, Items, Layout, plan_shard
from featprobe.testing.stores import make_items, make_key

ROUNDS = 7


@dataclass(frozen=True)
class Row:
    """One measurement: seconds of both sides and their ratio, baseline by store."""

    name: str
    ratio: float
    seconds: float
    against: float

    def __str__(self) -> str:
        return f"{self.name:52} {self.ratio:7.2f} {self.seconds:10.4f} {self.against:10.4f}"


def interleaved(
    name: str, store: Callable[[], object], baseline: Callable[[], object],
    before: Callable[[], object] = lambda: None, rounds: int = ROUNDS,
) -> Row:  # fmt: skip
    """Run both in turn, ``before`` ahead of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for job, kept in zip((store, baseline), times):
            before()
            start = time.perf_counter()
            job()
            kept.append(time.perf_counter() - start)
    ratio = statistics.median(b / s for s, b in zip(*times))
    return Row(name, ratio, statistics.median(times[0]), statistics.median(times[1]))


def drop_page_cache(folder: Path) -> None:
    """Make the next read of every file below come from the disk."""
    for place, _, names in os.walk(folder):
        for name in names:
            handle = os.open(os.path.join(place, name), os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def empty(
    folder: Path, kind: str, frames: int, arrays: dict[str, tuple[int, ...]], batch: int = 128,
    items: Items | None = None, name: str = "s",
) -> FeatureStore:  # fmt: skip
    """A store with nothing in it, in the shards that an extraction would choose."""
    layout = Layout(frames, plan_shard(frames, arrays, "float16", batch), arrays)
    n = frames if items is None else len(items.ids)
    frame_item = np.arange(frames) * n // frames
    return create_store(
        kind, folder / f"{name}{SUFFIXES[kind]}", make_key(), layout, frame_item,
        np.zeros(frames, int), items or make_items(1), {"dataset": "d", "backbone": "b"}, {},
    )  # fmt: skip


def write_all(store: FeatureStore, values: np.ndarray) -> None:
    """Write one array shard by shard."""
    for shard in store.pending():
        a, b = store.layout.bounds(shard)
        store.write_shard(shard, {"cls": values[a:b]}, np.full(b - a, DONE), [""] * (b - a))
    store.finish({})


def write_npy(path: Path, values: np.ndarray) -> None:
    """One raw file, on the disk when this returns."""
    with path.open("wb") as f:
        np.save(f, values)
        f.flush()
        os.fsync(f.fileno())


def reads(folder: Path, kind: str, frames: int = 100_000, width: int = 1024) -> list[Row]:
    """Whole reads, cold and warm, against ``np.load``, and random rows against a memory map."""
    values = np.random.default_rng(0).normal(size=(frames, 1, width)).astype(np.float16)
    npy = folder / "raw.npy"
    write_npy(npy, values)
    path = empty(folder, kind, frames, {"cls": (1, width)})
    write_all(path, values)
    where = path.path
    assert np.array_equal(open_store(where).read("cls"), values)
    del values
    os.sync()
    rng = np.random.default_rng(1)
    opened, mapped = open_store(where), np.load(npy, mmap_mode="r")

    def draw() -> None:
        nonlocal rows
        rows = np.sort(rng.choice(frames, 1000, replace=False))

    rows = np.arange(1)
    mb = f"{npy.stat().st_size >> 20} MB"
    out = [
        interleaved(f"{kind}: cold whole read of {mb} / np.load",
                    lambda: open_store(where).read("cls"), lambda: np.load(npy),
                    lambda: drop_page_cache(folder)),
        interleaved(f"{kind}: warm whole read of {mb} / np.load",
                    lambda: open_store(where).read("cls"), lambda: np.load(npy)),
    ]  # fmt: skip
    draw()
    for name, store, base in (
        ("1000 random rows, opened", lambda: opened.read("cls", frames=rows),
         lambda: mapped[rows]),
        ("1000 random rows, opening included",
         lambda: open_store(where).read("cls", frames=rows),
         lambda: np.load(npy, mmap_mode="r")[rows]),
    ):  # fmt: skip
        out.append(interleaved(f"{kind}: {name} / memmap", store, base, rounds=5 * ROUNDS))
    return out


def writes(folder: Path, kind: str, frames: int = 100_000, width: int = 1024) -> list[Row]:
    """Writing shard by shard, every file on the disk, against one raw file with fsync."""
    values = np.random.default_rng(0).normal(size=(frames, 1, width)).astype(np.float16)

    def clear() -> None:
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def store() -> None:
        write_all(empty(folder, kind, frames, {"cls": (1, width)}), values)

    name = f"{kind}: write of {values.nbytes >> 20} MB / raw npy with fsync"
    row = interleaved(name, store, lambda: write_npy(folder / "raw.npy", values), clear)
    return [row]


def opening(folder: Path, kind: str) -> list[Row]:
    """Opening a store of 10^6 items; the baseline is one of 10^3."""
    where = {n: empty(folder, kind, n, {"cls": (1, 8)}, items=make_items(n), name=str(n)).path
             for n in (1000, 1_000_000)}  # fmt: skip
    return [
        interleaved(f"{kind}: open 10^6 items / 10^3 items", lambda: open_store(where[1_000_000]),
                    lambda: open_store(where[1000]), rounds=15)
    ]  # fmt: skip


def recognition(folder: Path, kind: str, frames: int) -> list[Row]:
    """What is pending in a store whose shards are all there, before and after ``finish``.

    The baseline is listing one folder of as many files. Features of one byte a frame stand in: only
    the number of files matters.
    """
    store = empty(folder, kind, frames, {"cls": (4, 1024)})
    shards = store.layout.shards
    first = store.layout.bounds(0)[1]
    values = {"cls": np.zeros((first, 4, 1024), np.float16)}
    if kind == "zarr":
        store.write_shard(0, values, np.full(first, DONE), [""] * first)
        there, copies = store.path.local / "status" / "c", [str(s) for s in range(1, shards)]
        source = there / "0"
    else:
        store.write_shard(0, values, np.full(first, DONE), [""] * first)
        there = store.path.local / "parts"
        copies = [f"{s:06d}.h5" for s in range(1, shards)]
        source = there / "000000.h5"
    for name in copies:
        os.link(source, there / name) if kind == "hdf5" else shutil.copyfile(source, there / name)
    what = f"{kind}: 10^{len(str(frames)) - 1} frames, {shards} shards"
    out = [
        interleaved(f"{what}: pending by listing / listdir",
                    lambda: open_store(store.path).pending(), lambda: os.listdir(there)),
    ]  # fmt: skip
    start = time.perf_counter()
    store.update(complete=True, failed={})
    out.append(
        interleaved(f"{what}: complete recognised / listdir",
                    lambda: open_store(store.path).pending(), lambda: os.listdir(there))
    )  # fmt: skip
    _ = start
    return out


def main() -> None:
    """Print all rows."""
    base = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print(f"{'':52} {'ratio':>7} {'seconds':>10} {'baseline':>10}   load {os.getloadavg()[0]:.1f}")
    for kind in SUFFIXES:
        for measure, *rest in (
            (reads,), (writes,), (opening,), (recognition, 10**6), (recognition, 10**7),
        ):  # fmt: skip
            with tempfile.TemporaryDirectory(dir=base) as folder:
                for row in measure(Path(folder), kind, *rest):
                    print(row, flush=True)


if __name__ == "__main__":
    main()
