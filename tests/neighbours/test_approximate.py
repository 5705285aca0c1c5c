"""How approximate indexes are laid out."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from featprobe.neighbours.approximate import FIRST, look, make


def parts(kind: str, rows: int, width: int):
    return make(faiss, kind, rows, width, faiss.METRIC_L2)


@pytest.mark.parametrize(
    ("width", "codes"), [(1024, 256), (384, 96), (30, 30), (7, 7), (1000, 250)]
)
def test_codes_divide_the_width(width: int, codes: int) -> None:
    index, _ = parts("ivfpq", 50_000, width)
    assert codes == faiss.downcast_index(index.base_index).pq.M


@pytest.mark.parametrize("kind", FIRST)
@pytest.mark.parametrize("rows", [1000, 5000, 3_000_000])
def test_lists_have_rows_enough_and_training_has_vectors_enough(kind: str, rows: int) -> None:
    index, enough = parts(kind, rows, 16)
    lists = 1 if kind == "hnsw" else faiss.extract_index_ivf(index).nlist
    assert 39 * lists <= min(rows, enough)
    assert enough < 64 * max(64, 5 * rows**0.5)


@pytest.mark.parametrize("kind", FIRST)
def test_looking_harder_finds_all(kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(2000, 32)).astype(np.float32)
    index, _ = parts(kind, *x.shape)
    index.train(x)
    index.add(x)
    _, exact = faiss.knn(x[:100], x, 5)
    found = []
    for effort in (1, 2000):
        look(faiss, index, kind, effort, 5)
        found.append((np.sort(index.search(x[:100], 5)[1]) == np.sort(exact)).mean())
    assert found[0] < found[1]
    assert found[1] > 0.95
