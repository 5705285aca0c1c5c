"""What kNN costs against FAISS called directly, and what approximate indexes gain and lose."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np

from featprobe.neighbours.library import library
from featprobe.probes.knn import KNNProbe
from tests.benchmarks.rows import Row, side_by_side

ROWS, WIDTH, QUERIES, CLASSES = 100_000, 1024, 10_000, 14
LARGE = {"200k": 200_000, "million": 1_000_000}
MUST = 1.05  # no slower than FAISS, within 5 %
THREADS = 2

faiss = library()  # with the same products of matrices on both sides


def rows(runs: int, parts: Sequence[str] = ("exact", "approximate")) -> Iterator[Row]:
    """All measurements, on two threads; parts that have to be asked for: ``200k`` (a GB of rows)
    and ``million``, which takes 10 GB of memory."""
    faiss.omp_set_num_threads(THREADS)
    for part, count in LARGE.items():
        if part in parts:
            yield from large(count, runs)
    if not {"exact", "approximate"} & set(parts):
        return
    bank, queries = features(ROWS, 1), features(QUERIES, 2)
    y = np.random.default_rng(3).integers(0, CLASSES, ROWS)
    if "exact" in parts:
        yield from exact(bank, y, queries, runs)
    if "approximate" in parts:
        yield from approximate(bank, y, queries, runs)


def large(count: int, runs: int) -> Iterator[Row]:
    """Exact search, and the index that ``auto`` takes of so many rows, against FAISS flat: 10
    times, recall of .99."""
    bank, queries = features(count, 1), features(2_000, 2)
    y = np.random.default_rng(3).integers(0, CLASSES, count)
    flat = KNNProbe(index="flat", device="cpu").fit_candidates(bank, y)
    ours, theirs = side_by_side(
        lambda: flat.score_candidates(queries), lambda: direct(bank, queries, 20), runs
    )
    what = f"{count} x {WIDTH}, {len(queries)} queries"
    yield Row(
        f"kNN with votes, {what} / FAISS flat", ours, theirs, "s", MUST, more=False, runs=runs
    )
    yield as_a_script_has_it(count, len(queries), ours, runs)
    probe = KNNProbe(device="cpu").fit_candidates(bank, y)
    probe.score_candidates(queries[:256])
    theirs, ours = side_by_side(
        lambda: flat.score_candidates(queries), lambda: probe.score_candidates(queries), runs
    )
    yield Row(f"exact / what auto takes, {what}", theirs, ours, "s", 10, note=probe.notes()[-1],
              runs=runs)  # fmt: skip
    assert probe.recall_ is not None
    yield Row(f"recall@20 of what auto takes, {what}", probe.recall_, 1, "", 0.99)


def features(n: int, seed: int) -> np.ndarray:
    """(n, D) float32 whose variance falls off as 1 / rank over 64 directions, with some noise."""
    directions = np.random.default_rng(0).normal(size=(64, WIDTH)).astype(np.float32)
    directions /= np.sqrt(np.arange(1, 65, dtype=np.float32))[:, None]
    rng = np.random.default_rng(seed)
    out = rng.standard_normal((n, 64), np.float32) @ directions
    out += rng.standard_normal((n, WIDTH), np.float32)
    return out


def direct(bank: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest by cosine as a user of FAISS finds them, without any vote."""
    unit, asked = bank.copy(), queries.copy()
    faiss.normalize_L2(unit)
    faiss.normalize_L2(asked)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(unit)
    return index.search(asked, k)


def as_a_script_has_it(count: int, asked: int, ours: float, runs: int) -> Row:
    """The same search where ``import faiss`` chooses the kernels, in a process of its own."""
    code = f"""
import faiss
from tests.benchmarks import knn
from tests.benchmarks.rows import median_of, seconds_of
faiss.omp_set_num_threads({THREADS})
bank, queries = knn.features({count}, 1), knn.features({asked}, 2)
print(median_of(seconds_of(lambda: knn.direct(bank, queries, 20)) for _ in range({runs})))
"""
    theirs = float(subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout)  # fmt: skip
    name = f"FAISS flat as a script imports it / kNN with votes, {count} x {WIDTH}, {asked} queries"
    return Row(name, theirs, ours, "s", runs=runs, note="one after the other")


def exact(bank: np.ndarray, y: np.ndarray, queries: np.ndarray, runs: int) -> Iterator[Row]:
    """Fit, search and vote against the search alone."""
    labels = (np.random.default_rng(4).random((len(y), CLASSES)) < 0.1).astype(float)
    for name, ks, targets in (
        ("k = 20", [20], y), ("k = 10 20 100 200", [10, 20, 100, 200], y),
        (f"{CLASSES} labels, k = 20", [20], labels),
    ):  # fmt: skip
        ours, theirs = side_by_side(
            lambda ks=ks, targets=targets: (
                KNNProbe(k=ks, device="cpu").fit_candidates(bank, targets).score_candidates(queries)
            ),
            lambda ks=ks: direct(bank, queries, max(ks)), runs,
        )  # fmt: skip
        what = f"kNN with votes, {len(bank)} x {WIDTH}, {len(queries)} queries, {name}"
        yield Row(f"{what} / FAISS flat", ours, theirs, "s", MUST, more=False, runs=runs)
        if name == "k = 20":
            yield as_a_script_has_it(len(bank), len(queries), ours, runs)


def approximate(bank: np.ndarray, y: np.ndarray, queries: np.ndarray, runs: int) -> Iterator[Row]:
    """Scoring by each index against exact scoring, the index being made."""
    flat = KNNProbe(index="flat", device="cpu").fit_candidates(bank, y)
    for index in ("ivf", "ivfpq", "hnsw"):
        probe = KNNProbe(index=index).fit_candidates(bank, y)
        begin = time.perf_counter()
        probe.score_candidates(queries[:256])
        note = f"recall@20 {probe.recall_:.3f}, made in {time.perf_counter() - begin:.0f} s"
        theirs, ours = side_by_side(
            lambda: flat.score_candidates(queries),
            lambda probe=probe: probe.score_candidates(queries), runs,
        )  # fmt: skip
        yield Row(f"exact / {index} scoring, {len(bank)} x {WIDTH}", theirs, ours, "s", note=note,
                  runs=runs)  # fmt: skip
