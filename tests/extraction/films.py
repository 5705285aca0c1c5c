"""Pictures, and what tests of extraction by several processes share."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

import featprobe as fp
from tests.extraction.hostile import HostileSource


def make_films(
    folder: Path, n: int, odd: Mapping[int, str] | None = None, prefix: str = "film"
) -> Path:
    """``n`` noisy PNGs, named by their number; ``odd``: number -> another prefix. ``flat`` ones
    are constant and ``damaged`` ones end early."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for i in range(n):
        kind = (odd or {}).get(i, prefix)
        path = folder / f"{kind}{i:02d}.png"
        pixels = rng.integers(0, 256, (40, 36), dtype=np.uint8)
        Image.fromarray(pixels * 0 if kind == "flat" else pixels).save(path)
        if kind == "damaged":
            path.write_bytes(path.read_bytes()[:300])
    return folder


def class_films(folder: Path, n: int) -> Path:
    """``n`` noisy PNGs in each of the class folders ``a`` and ``b``."""
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 256, (60, 60), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{label}{i:03d}.png")
    return folder


def hostile(folder: Path) -> fp.Dataset:
    """Its pictures in the order of their numbers, read by a source that obeys their names."""
    paths = sorted(folder.glob("*.png"), key=lambda p: int(re.sub(r"\D", "", p.stem)))
    source = HostileSource([(p,) for p in paths])
    return fp.Dataset("films", np.array([p.stem for p in paths]), source)


def stores(cache: Path) -> list[Path]:
    """The stores of a cache."""
    return [p for p in cache.glob("features/*/*.zarr") if not p.name.startswith(".")]


def extract(backbone, data, cache: Path, **options):
    """Small shards, batches one after the other."""
    return fp.extract(
        backbone, data, cache=cache, dtype="float32", **{"batch_size": 4, "streams": 1} | options
    )


def same(one, other) -> bool:
    """Whether two feature sets are equal bit for bit, with what was left out and noted."""
    frames = all(one.frames(n).tobytes() == other.frames(n).tobytes() for n in ("cls", "mean"))
    return frames and (one.store.status() == other.store.status()).all()


def when(condition: Callable[[], bool], action: Callable[[], None]) -> threading.Thread:
    """Do something as soon as a condition holds, in another thread."""

    def run() -> None:
        while not condition():
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def committed(cache: Path) -> int:
    """Shards in the stores of a cache."""
    return len(list(cache.glob("features/*/*.zarr/status/c/*")))
