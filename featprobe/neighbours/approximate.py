"""The approximate indexes of FAISS: how they are laid out, and how hard they look."""

from __future__ import annotations

from typing import Any

FIRST = {"ivf": 16, "hnsw": 128, "ivfpq": 16}  # nprobe or ef where nobody names one
AGAIN = 10  # times k: candidates of ivfpq that are compared again exactly, where nobody names more


def make(faiss: Any, kind: str, rows: int, width: int, metric: int) -> tuple[Any, int]:
    """An empty index for a bank (rows, width), and how many vectors are enough to train it.

    ``ivf`` has 4 sqrt(rows) lists; ``ivfpq`` sqrt(rows) lists of 4-bit codes, each for four
    dimensions (fewer in narrow banks), the best of which are compared again exactly.
    """
    lists = 4 * rows**0.5 if kind == "ivf" else rows**0.5
    lists = max(1, min(int(lists), rows // 39))  # FAISS wants 39 rows a list for k-means
    most = max(width // 4, min(width, 32))
    codes = next(m for m in range(most, 0, -1) if width % m == 0)
    recipe = {
        "ivf": f"IVF{lists},Flat",
        "hnsw": "HNSW32,Flat",
        "ivfpq": f"IVF{lists},PQ{codes}x4fs,RFlat",
    }[kind]
    return faiss.index_factory(width, recipe, metric), 64 * max(lists, 64)


def look(faiss: Any, index: Any, kind: str, effort: int, k: int, again: int = AGAIN) -> None:
    """Set ``nprobe`` (of ivf, ivfpq) or ``ef`` (of hnsw) for searches of k neighbours.

    ``again``: of ivfpq, so many times k candidates are compared again exactly.
    """
    setting = {
        "ivf": f"nprobe={effort}",
        "hnsw": f"efSearch={max(effort, k)}",
        "ivfpq": f"nprobe={effort},k_factor_rf={again}",
    }[kind]
    faiss.ParameterSpace().set_index_parameters(index, setting)


def harder(kind: str, effort: int, again: int) -> list[tuple[int, int]]:
    """Settings that look twice as hard in one respect."""
    return [(2 * effort, again)] + ([(effort, 2 * again)] if kind == "ivfpq" else [])
