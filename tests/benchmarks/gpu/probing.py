"""Probes on a million rows: search on the device, the path of C where it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from featprobe.probes.knn import KNNProbe
from featprobe.probes.logistic import CS
from featprobe.solvers.logistic import logistic_path
from tests.benchmarks.gpu import Machine, Row

NOTE = (
    "1,000,000 x 1024 float32, 10 classes. kNN: fit and vote, against the product and top-k alone "
    "on the device in float32; without FAISS for GPUs `device=auto` searches on the CPU. The "
    "logistic path runs on the CPU."
)
WIDTH, CLASSES, QUERIES = 1024, 10, 10_000


def rows(machine: Machine) -> Iterator[Row]:
    """kNN, then the path, on fewer rows first: a million may take longer than there is time."""
    sizes = (200,) if machine.dry else (100_000, 1_000_000)
    width, queries = (16, 20) if machine.dry else (WIDTH, QUERIES)
    for n in sizes:
        x, y = features(n, width)
        q, _ = features(queries, width, 1)
        device = f"auto ({'GPU' if gpu_search() else 'CPU'})"
        probe = lambda x=x, y=y, q=q: (  # noqa: E731
            KNNProbe(k=20).fit_candidates(x, y).score_candidates(q)
        )
        yield {
            "what": f"kNN, k = 20, {queries} queries", "rows": n, "on": device,
            "ours, s": timed(probe), "bare, s": timed(lambda x=x, q=q: bare(machine, x, q)),
        }  # fmt: skip
    for n in sizes:
        if not machine.dry and machine.left() < n / 5_000:  # about what it may take
            yield {"what": "logistic path, 45 values of C", "rows": n, "on": "left out: no time"}
            continue
        x, y = features(n, width)
        path = lambda x=x, y=y: logistic_path(x, y, CS[:3] if machine.dry else CS)  # noqa: E731
        yield {
            "what": "logistic path, 45 values of C",
            "rows": n,
            "on": "CPU",
            "ours, s": timed(path),
        }


def features(n: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, width) float32 around a centre a class, and the classes (n,)."""
    centres = np.random.default_rng(9).normal(size=(CLASSES, width)).astype(np.float32)
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, n)
    x = rng.standard_normal((n, width), dtype=np.float32)
    x += 0.15 * centres[y]
    return x, y


def bare(machine: Machine, x: np.ndarray, q: np.ndarray, k: int = 20) -> Any:
    """The k nearest by inner product, tile by tile."""
    bank = torch.from_numpy(x).to(machine.device)
    asked = torch.from_numpy(q).to(machine.device)
    found = [(part @ bank.T).topk(k).indices.cpu() for part in asked.split(1000)]
    return torch.cat(found)


def gpu_search() -> bool:
    """Whether FAISS finds a GPU."""
    if not find_spec("faiss"):
        return False
    import faiss

    return bool(hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus())


def timed(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin
