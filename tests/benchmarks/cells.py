"""What the cells of a leaderboard cost, with intervals, and how that grows with N, D and C.

A cell is a probe under a protocol on stored features, as ``featprobe knn``, ``fewshot`` and
``linear`` compute it: reading, choosing on val, refitting, testing, bootstrap.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import featprobe as fp
from featprobe.features.exchange.transfer import load
from tests.benchmarks.rows import Row

SIZES = [
    (10_000, 1024, 10),
    (30_000, 1024, 10),
    (100_000, 1024, 10),
    (30_000, 384, 10),
    (10_000, 1024, 40),
]
CELLS = {
    "knn, 4 values of k": (lambda: fp.KNNProbe([10, 20, 100, 200]), fp.Full()),
    "few-shot logistic, 5 x 20": (lambda: fp.LogisticProbe(), fp.FewShot()),
    "logistic, 45 values of C": (lambda: fp.LogisticProbe(), fp.Full()),
}


def rows(runs: int = 1) -> Iterator[Row]:
    """Seconds of each cell at each size, beside those at the first size."""
    first: dict[str, float] = {}
    for n, d, c in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            features = made(Path(folder), n, d, c)
            for name, (probe, protocol) in CELLS.items():
                begin = time.perf_counter()
                found = fp.evaluate(features, probe(), protocol)
                taken = time.perf_counter() - begin
                first.setdefault(name, taken)
                best = next(r for r in reversed(found) if r.selected)
                yield Row(
                    f"{name}: {n} x {d}, {c} classes / {SIZES[0][0]} x {SIZES[0][1]}",
                    taken, first[name], "s", note=f"AUROC {best.metrics['auroc']:.3f}", runs=1,
                )  # fmt: skip


def made(folder: Path, n: int, d: int, c: int) -> fp.FeatureSet:
    """Stored features of ``n`` images of patients with five each, classes that overlap."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, c, n)
    spectrum = np.arange(1, d + 1) ** -0.5
    centres = rng.normal(size=(c, d)) * spectrum * 0.4
    x = (centres[y] + rng.normal(size=(n, d)) * spectrum).astype(np.float16)
    np.save(folder / "x.npy", x)
    lines = [f"i{i},p{i // 5},c{k}" for i, k in enumerate(y)]
    (folder / "items.csv").write_text("\n".join(["id,group,label", *lines]))
    store = load(
        folder / "x.npy", folder / "cache", name="made", backbone="made",
        items=folder / "items.csv", kind="zarr",
    )  # fmt: skip
    return fp.FeatureSet(store)
