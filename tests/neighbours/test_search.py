"""The search against FAISS and scikit-learn called directly."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.neighbours import approximate, search
from featprobe.neighbours.search import Bank, Search


def draw(seed: int, rows: int, queries: int, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, width)), rng.normal(size=(queries, width))


def collected(found, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Pieces put in the order of their positions; every position comes once."""
    near, rows = np.empty((n, k)), np.empty((n, k), int)
    seen = []
    for at, c, r in found:
        near[at], rows[at] = c, r
        seen.extend(at)
    assert sorted(seen) == list(range(n))
    return near, rows


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_cosine_neighbours_are_those_of_a_flat_faiss_index(dtype: type) -> None:
    x, q = (v.astype(dtype) for v in draw(0, 500, 40))
    bank, queries = x.astype(np.float32), q.astype(np.float32)
    for v in (bank, queries):
        faiss.normalize_L2(v)
    index = faiss.IndexFlatIP(12)
    index.add(bank)
    near, rows = Bank(x).search(q, 15)
    expected, expected_rows = index.search(queries, 15)
    np.testing.assert_array_equal(near, expected)
    np.testing.assert_array_equal(rows, expected_rows)


def test_l2_neighbours_far_from_the_origin_are_those_of_sklearn(monkeypatch) -> None:
    from sklearn.neighbors import NearestNeighbors

    # by matrix products, as other versions and larger searches of FAISS do
    monkeypatch.setattr(faiss.cvar, "distance_compute_blas_threshold", 1)
    x, q = (v + 3000 for v in draw(1, 400, 50))
    near, rows = Bank(x, Search("l2")).search(q, 9)
    distance, expected = NearestNeighbors(n_neighbors=9, algorithm="brute").fit(x).kneighbors(q)
    np.testing.assert_allclose(np.sqrt(-near), distance, rtol=1e-3)
    assert (rows == expected).mean() > 0.99
    np.testing.assert_allclose(Bank(x, Search("l2")).distances(q, expected), distance, rtol=1e-3)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 10_000), st.integers(2, 90), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from(["cosine", "l2"]),
)  # fmt: skip
def test_blocks_of_any_size_find_the_same(
    seed: int, rows: int, block: int, queries: int, metric: str
) -> None:
    x, q = draw(seed, rows, 25)
    k = min(rows, 7)
    near, _ = Bank(x, Search(metric)).search(q, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_BLOCK", block * x.shape[1])
        patch.setattr(search, "_QUERIES", queries)
        patch.setattr(search, "_PIECE", 4)
        patch.setattr(search, "_STEP", 7)
        pieces, found = collected(Bank(x, Search(metric)).near(q, k), 25, k)
    np.testing.assert_allclose(pieces, near, atol=1e-4)
    exact = Bank(x, Search(metric)).distances(q, found)
    as_distance = 1 - near if metric == "cosine" else np.sqrt(np.maximum(0, -near))
    np.testing.assert_allclose(exact, as_distance, atol=1e-2 if metric == "l2" else 1e-5)


def test_a_memory_map_of_half_floats_is_never_converted_whole(tmp_path, monkeypatch) -> None:
    x, q = draw(2, 300, 8)
    np.save(tmp_path / "x.npy", x.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    monkeypatch.setattr(search, "_BLOCK", 50 * 12)
    sizes = []
    prepare = Bank._prepare
    monkeypatch.setattr(
        Bank, "_prepare", lambda b, v, *m: sizes.append(len(v)) or prepare(b, v, *m)
    )
    bank = Bank(mapped)
    near, _ = bank.search(q, 5)
    assert bank.x is mapped
    assert max(sizes) == 50
    np.testing.assert_array_equal(near, Bank(x.astype(np.float16).astype(float)).search(q, 5)[0])


@pytest.mark.parametrize("index", ["ivf", "hnsw", "ivfpq"])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_approximate_indexes_find_most_and_say_how_many(index: str, metric: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 16))[rng.integers(0, 50, 3000)] + 0.3 * rng.normal(size=(3000, 16))
    bank = Bank(x, Search(metric, index, nprobe=8, ef=64))
    q = x[::10] + 0.05 * rng.normal(size=(300, 16))
    near, rows = bank.search(q, 10)
    exact, exact_rows = Bank(x, Search(metric, "flat")).search(q, 10)
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, exact_rows)])
    assert shared > 0.9
    assert bank.recall(q, 10) == pytest.approx(shared, abs=0.02)
    same = rows[:, 0] == exact_rows[:, 0]
    np.testing.assert_allclose(near[same, 0], exact[same, 0], atol=1e-4)


def test_recall_falls_when_less_is_searched() -> None:
    x, q = draw(4, 4000, 200)
    found = [Bank(x, Search(index="ivf", nprobe=n)).recall(q, 10) for n in (1, 8, 1000)]
    assert found[0] < 0.7 < found[1] < found[2] == 1


@pytest.mark.parametrize("index", ["ivf", "hnsw", "ivfpq"])
def test_an_approximate_search_looks_harder_until_recall_suffices(index: str, monkeypatch) -> None:
    x, q = draw(11, 4000, 100, 48)  # without any structure: as hard as it gets
    start = {"ef": 16} if index == "hnsw" else {"nprobe": 16}
    plain = Bank(x, Search(index=index, **start)).recall(q, 10)
    assert plain < 0.9
    bank = Bank(x, Search(index=index))
    assert bank.recall(q, 10) > max(0.9, plain)
    monkeypatch.setattr(Bank, "_exact", None)  # found once
    bank.search(q, 10)


def test_codes_that_are_too_coarse_are_compared_again_more_often(monkeypatch) -> None:
    """Searching more lists does not help where the codes rank a neighbour too low."""
    x, q = draw(3, 4000, 200, 64)
    monkeypatch.setattr(approximate, "AGAIN", 2)
    bank = Bank(x, Search(index="ivfpq"))
    assert bank.recall(q, 10) > 0.97
    assert bank._found is not None
    assert bank._found[1] > 2
    monkeypatch.setattr(approximate, "harder", lambda kind, effort, again: [(2 * effort, again)])
    more_lists = Bank(x, Search(index="ivfpq"))
    assert more_lists.recall(q, 10) < 0.9


def test_recall_among_duplicates_does_not_ask_which_was_found() -> None:
    x = np.repeat(draw(5, 100, 1)[0], 40, axis=0)
    assert Bank(x, Search(index="ivf", nprobe=1000)).recall(x[::40], 10) == 1


def test_lists_with_too_few_rows_are_completed_exactly() -> None:
    x, q = draw(6, 1000, 30)
    near, rows = Bank(x, Search(index="ivf", nprobe=1)).search(q, 400)
    assert rows.min() >= 0
    np.testing.assert_allclose(near, Bank(x).search(q, 400)[0], atol=1e-5)


def test_auto_is_flat_until_a_search_takes_a_minute(monkeypatch) -> None:
    assert Bank(np.empty((120_000, 1024), np.float16)).index == "flat"
    assert Bank(np.empty((150_000, 1024), np.float16)).index == "ivfpq"
    x, q = draw(7, 1500, 20)
    assert Bank(x).index == "flat"
    monkeypatch.setattr(search, "_AUTO", 1.0)
    assert Bank(x).index == "ivfpq"
    assert Bank(x).recall(q, 5) > 0.8
    assert Bank(x, Search(index="flat")).index == "flat"


@pytest.mark.parametrize("index", ["ivf", "hnsw", "ivfpq"])
def test_a_bank_too_small_for_an_index_is_searched_exactly(index: str) -> None:
    x, q = draw(12, 9, 4)
    bank = Bank(x, Search(index=index))
    assert bank.index == "flat"
    np.testing.assert_array_equal(bank.search(q, 9)[0], Bank(x).search(q, 9)[0])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from(["cosine", "l2"]))
def test_others_are_all_nearest_rows_of_other_groups(seed: int, k: int, metric: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(70, 6))
    groups = np.minimum(rng.geometric(0.1, 70), 30).astype(str)
    groups[:25] = "the largest"
    v = x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "cosine" else x
    square = ((v[:, None] - v) ** 2).sum(2)
    expected = 1 - square / 2 if metric == "cosine" else -square
    expected[groups[:, None] == groups] = -np.inf
    near, rows = collected(Bank(x, Search(metric)).others(k, groups), 70, k)
    np.testing.assert_allclose(near, -np.sort(-expected, axis=1)[:, :k], atol=1e-4)
    assert (groups[rows] != groups[:, None]).all()


def test_exact_duplicates_are_at_distance_zero() -> None:
    x, _ = draw(8, 60, 1, 33)
    for metric in ("cosine", "l2"):
        d = Bank(x + 100, Search(metric)).distances(x + 100, np.arange(60)[:, None])
        assert (d == 0).all()


def test_a_gpu_is_asked_for_exact_searches_where_faiss_has_one(monkeypatch) -> None:
    x, q = draw(9, 100, 5)
    calls = []

    def knn_gpu(resources, queries, bank, k, metric):
        calls.append((resources, k))
        return faiss.knn(queries, bank, k, metric)

    monkeypatch.setattr(faiss, "StandardGpuResources", lambda: "card", raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "knn_gpu", knn_gpu, raising=False)
    near, _ = Bank(x, Search(device="cuda")).search(q, 3)
    assert calls == [("card", 3)]
    np.testing.assert_array_equal(near, Bank(x, Search(device="cpu")).search(q, 3)[0])
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"metric": "manhattan"}, "metric 'manhattan': choose of cosine, l2"),
        ({"index": "flt"}, "index 'flt': choose of auto, flat, ivf, hnsw, ivfpq"),
        ({"device": "tpu"}, "device 'tpu': choose of auto, cpu, cuda"),
        ({"nprobe": 0}, "nprobe 0 must be at least 1"),
        ({"ef": -1}, "ef -1 must be at least 1"),
        ({"device": "cuda", "index": "hnsw"}, "the hnsw index is of the CPU"),
    ],
)
def test_what_cannot_be_searched_is_told(params: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Search(**params)


def test_more_neighbours_than_rows_and_a_missing_gpu_are_told(monkeypatch) -> None:
    x, q = draw(10, 10, 2)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0, raising=False)
    with pytest.raises(InputError, match="FAISS sees none; install 'featprobe\\[gpu\\]'"):
        Bank(x, Search(device="cuda"))
    with pytest.raises(InputError, match="11 neighbours of a bank of 10 rows"):
        Bank(x).search(q, 11)
    with pytest.raises(InputError, match="k = 4 is more than the 3 rows outside the largest group"):
        next(Bank(x).others(4, np.array([0] * 7 + [1, 2, 3])))
