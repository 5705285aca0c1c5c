"""Probes on a million rows: search on the device, the path of C where it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from featprobe.probes.knn import KNNProbe
from featprobe.probes.logistic import CS
from featprobe.solvers.logistic import logistic_path
from tests.benchmarks.gpu.machine import Cells, Machine
from tests.benchmarks.rows import Row, seconds_of

NOTE = (
    "100,000 and 1,000,000 x 1024 float32, 10 classes. kNN: fit and vote, against the product and "
    "top-k alone on the device in float32; without FAISS for GPUs `device=auto` searches on the "
    "CPU. The logistic path runs on the CPU."
)
WIDTH, CLASSES, QUERIES = 1024, 10, 10_000
BLOCK = 50_000  # rows made at a time
TILE = 250  # queries: with a million rows 1 GB of products, beside the 4 GB of the rows


def rows(machine: Machine) -> Iterator[Cells]:
    """kNN and the path, on fewer rows first: a million may take longer than there is time."""
    sizes = (200,) if machine.dry else (100_000, 1_000_000)
    width, queries = (16, 20) if machine.dry else (WIDTH, QUERIES)
    q, _ = features(queries, width, 1)
    for n in sizes:
        x, y = features(n, width)
        device = f"auto ({'GPU' if gpu_search() else 'CPU'})"
        probe = lambda x=x, y=y: (  # noqa: E731
            KNNProbe(k=20).fit_candidates(x, y).score_candidates(q)
        )
        runs = 2 if n < 1_000_000 else 1
        found: Cells = {
            "what": f"kNN, k = 20, {queries} queries", "rows": n, "on": device,
            "bare, s": machine.attempt(lambda x=x, r=runs: fastest(lambda: bare(machine, x, q), r)),
            "ours, s": machine.attempt(lambda probe=probe, r=runs: fastest(probe, r)),
        }  # fmt: skip
        if not isinstance(found["bare, s"], str) and not isinstance(found["ours, s"], str):
            machine.hold(found, "ours / bare", Row(
                f"kNN, {n} rows / the product and top-k alone", found["ours, s"],
                found["bare, s"], "s", more=False,
            ))  # fmt: skip
        yield found
        row: Cells = {"what": "logistic path, 45 values of C", "rows": n, "on": "CPU"}
        if not machine.dry and machine.left() < n / 5_000:  # about what it may take
            yield {**row, "on": "left out: no time"}
            continue
        path = lambda x=x, y=y: logistic_path(x, y, CS[:3] if machine.dry else CS)  # noqa: E731
        yield {**row, "ours, s": machine.attempt(lambda path=path: seconds_of(path))}


def features(n: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, width) float32 around a centre a class, and the classes (n,)."""
    centres = np.random.default_rng(9).normal(size=(CLASSES, width)).astype(np.float32)
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, n)
    x = rng.standard_normal((n, width), dtype=np.float32)
    centres *= 0.15
    for start in range(0, n, BLOCK):  # a million rows are 4 GB: no second array of that size
        x[start : start + BLOCK] += centres[y[start : start + BLOCK]]
    return x, y


def bare(machine: Machine, x: np.ndarray, q: np.ndarray, k: int = 20) -> Any:
    """The k nearest by inner product, tile by tile."""
    bank = torch.from_numpy(x).to(machine.device)
    asked = torch.from_numpy(q).to(machine.device)
    found = [(part @ bank.T).topk(k).indices.cpu() for part in asked.split(TILE)]
    return torch.cat(found)


def gpu_search() -> bool:
    """Whether FAISS finds a GPU."""
    if not find_spec("faiss"):
        return False
    import faiss

    return bool(hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus())


def fastest(run: Callable[[], Any], runs: int) -> float:
    """Seconds of the fastest call: in the first the card is woken up."""
    return min(seconds_of(run) for _ in range(runs))
