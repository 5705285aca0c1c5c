"""What stores cost against plain numpy files on the same disk.

The system's temporary folder must lie on the disk in question (``TMPDIR``).
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from featprobe.store.base import FeatureStore
from featprobe.store.containers import SUFFIXES, create_store, open_store
from featprobe.store.format import DONE, Items, Layout, plan_shard
from featprobe.testing.cases import make_items, make_key
from tests.benchmarks.rows import Row, side_by_side

FRAMES, WIDTH = 100_000, 1024


def rows(runs: int) -> Iterator[Row]:
    """All measurements of every container."""
    for kind in SUFFIXES:
        for measure in (reads, writes, opening, million, ten_million):
            with tempfile.TemporaryDirectory() as folder:
                yield from measure(Path(folder), kind, max(runs, 5))


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


def reads(folder: Path, kind: str, runs: int) -> Iterator[Row]:
    """Whole reads, cold and warm, against ``np.load``, and random rows against a memory map."""
    values = np.random.default_rng(0).normal(size=(FRAMES, 1, WIDTH)).astype(np.float16)
    npy, mb = folder / "raw.npy", values.nbytes / 1e6
    write_npy(npy, values)
    store = empty(folder, kind, FRAMES, {"cls": (1, WIDTH)})
    write_all(store, values)
    where = store.path
    assert np.array_equal(open_store(where).read("cls"), values)
    del values
    os.sync()

    def whole() -> np.ndarray:
        return open_store(where).read("cls")

    def load() -> np.ndarray:
        return np.load(npy)

    for name, before in (("cold", lambda: drop_page_cache(folder)), ("warm", lambda: None)):
        ours, theirs = side_by_side(whole, load, 5 * runs, before)  # disks vary most
        yield Row(f"{kind}, {name} whole read / np.load", mb / ours, mb / theirs, "MB/s", 0.8,
                  runs=5 * runs)  # fmt: skip
    opened, mapped = open_store(where), np.load(npy, mmap_mode="r")
    draws = draw(5 * runs)
    times = [
        side_by_side(lambda r=r: opened.read("cls", frames=r), lambda r=r: mapped[r], 1)
        for r in draws
    ]
    name = f"{kind}, 1000 random rows / memmap"
    yield Row(name, *medians(times), "s", 3, more=False, note="both opened before",
              runs=5 * runs)  # fmt: skip
    times = [
        side_by_side(
            lambda r=r: open_store(where).read("cls", frames=r),
            lambda r=r: np.load(npy, mmap_mode="r")[r], 1,
        )
        for r in draws
    ]  # fmt: skip
    yield Row(name, *medians(times), "s", note="opening included", runs=5 * runs)


def draw(n: int) -> list[np.ndarray]:
    """1000 ascending rows, n times."""
    rng = np.random.default_rng(1)
    return [np.sort(rng.choice(FRAMES, 1000, replace=False)) for _ in range(n)]


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    """The median of both sides."""
    ours, theirs = zip(*times)
    return statistics.median(ours), statistics.median(theirs)


def writes(folder: Path, kind: str, runs: int) -> Iterator[Row]:
    """Writing shard by shard, every file on the disk, against one raw file with fsync."""
    values = np.random.default_rng(0).normal(size=(FRAMES, 1, WIDTH)).astype(np.float16)
    mb = values.nbytes / 1e6

    def clear() -> None:
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        os.sync()

    def store() -> None:
        write_all(empty(folder, kind, FRAMES, {"cls": (1, WIDTH)}), values)

    ours, theirs = side_by_side(store, lambda: write_npy(folder / "raw.npy", values), runs, clear)
    name = f"{kind}, write / one raw .npy with fsync"
    yield Row(name, mb / ours, mb / theirs, "MB/s", 0.3, note="laying out included", runs=runs)


def opening(folder: Path, kind: str, runs: int) -> Iterator[Row]:
    """Opening a store of 10^6 items may take 50 ms more than one of 10^3."""
    where = {
        n: empty(folder, kind, n, {"cls": (1, 8)}, items=make_items(n), name=str(n)).path
        for n in (1000, 1_000_000)
    }
    ours, theirs = side_by_side(
        lambda: open_store(where[1_000_000]), lambda: open_store(where[1000]), 5 * runs
    )
    name = f"{kind}, open 10^6 items / 10^3 items and 50 ms"
    yield Row(name, ours, theirs + 0.05, "s", 1, more=False, runs=5 * runs)


def million(folder: Path, kind: str, runs: int) -> Iterator[Row]:
    """Recognising 10^6 frames."""
    yield from recognition(folder, kind, 10**6, runs)


def ten_million(folder: Path, kind: str, runs: int) -> Iterator[Row]:
    """Recognising 10^7 frames."""
    yield from recognition(folder, kind, 10**7, runs)


def recognition(folder: Path, kind: str, frames: int, runs: int) -> Iterator[Row]:
    """What is pending where all shards are there, before and after ``finish``, within a second.

    Copies of one file stand in for the shards: only their number matters.
    """
    store = empty(folder, kind, frames, {"cls": (1, 4096)})
    shards, first = store.layout.shards, store.layout.bounds(0)[1]
    values = {"cls": np.zeros((first, 1, 4096), np.float16)}
    store.write_shard(0, values, np.full(first, DONE), [""] * first)
    assert store.path.local is not None
    there = store.path.local / ("status/c" if kind == "zarr" else "parts")
    (source,) = there.iterdir()
    for s in range(1, shards):
        os.link(source, there / (str(s) if kind == "zarr" else f"{s:06d}.h5"))

    def recognise() -> None:
        assert open_store(store.path).pending() == []

    what = f"{kind}, {frames:.0e} frames in {shards} shards"
    ours, _ = side_by_side(recognise, lambda: None, runs)
    yield Row(f"{what}: all there, not marked / 1 s", ours, 1.0, "s", 1, more=False, runs=runs)
    store.update(complete=True, failed={})
    ours, _ = side_by_side(recognise, lambda: None, runs)
    yield Row(f"{what}: complete / 1 s", ours, 1.0, "s", 1, more=False, runs=runs)
