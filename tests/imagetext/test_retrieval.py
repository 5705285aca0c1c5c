"""Image-text retrieval against brute force: sorting, and every order of what is tied."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featprobe as fp
from featprobe.core.errors import InputError, MissingPath, UnknownName
from featprobe.imagetext.retrieval import (
    Ranks,
    by_chance,
    compare,
    rank,
    read_captions,
    retrieve,
    weighted_median,
)
from featprobe.stats.intervals import share
from featprobe.stats.resampling import draws
from tests.support.imagetext import image_text


def enumerated(near: np.ndarray, own: np.ndarray, k: int) -> tuple[float, float, int]:
    """Recall@k, mean and worst rank of the first hit over all orders that sort a query's
    candidates by nearness."""
    found = []
    for order in itertools.permutations(range(len(near))):
        values = near[list(order)]
        if (values[:-1] >= values[1:]).all():
            found.append(1 + int(own[list(order)].argmax()))
    return float(np.mean([f <= k for f in found])), float(np.mean(found)), max(found)


@st.composite
def searches(draw):
    """Queries and candidates that tie often: a few directions, each hit by several."""
    corners = np.array([[1, 0], [0, 1], [-1, 0], [3, 4]], dtype=np.float32)
    candidate_item = np.array(draw(st.lists(st.integers(0, 2), min_size=1, max_size=6)))
    query_item = np.array(draw(st.lists(st.sampled_from(candidate_item), min_size=1, max_size=4)))
    pick = st.integers(0, 3)
    queries = corners[[draw(pick) for _ in query_item]]
    candidates = corners[[draw(pick) for _ in candidate_item]]
    return queries, candidates, query_item, candidate_item


@settings(max_examples=60, deadline=None)
@given(searches(), st.integers(1, 7))
def test_ranks_equal_the_enumeration_of_all_orders(search, k: int) -> None:
    queries, candidates, query_item, candidate_item = search
    found = rank(*search)
    unit = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    for i, (q, item) in enumerate(zip(queries, query_item)):
        recall, mean, worst = enumerated(unit @ q, candidate_item == item, k)
        assert found.recall(k)[i] == pytest.approx(recall)
        assert found.expected[i] == pytest.approx(mean)
        assert found.worst[i] == worst


def test_without_ties_ranks_are_those_of_sorting() -> None:
    rng = np.random.default_rng(0)
    queries, candidates = rng.normal(size=(50, 16)), rng.normal(size=(90, 16))
    query_item, candidate_item = np.arange(50), np.r_[np.arange(50), rng.integers(0, 50, 40)]
    found = rank(queries, candidates, query_item, candidate_item)
    near = queries @ (candidates / np.linalg.norm(candidates, axis=1, keepdims=True)).T
    order = np.argsort(-near, axis=1)
    first = (candidate_item[order] == query_item[:, None]).argmax(1)
    np.testing.assert_array_equal(found.expected, 1 + first)
    np.testing.assert_array_equal(found.worst, 1 + first)
    for k in (1, 5, 10):
        np.testing.assert_array_equal(found.recall(k), first < k)


def test_blocks_do_not_change_ranks(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    search = rng.normal(size=(30, 8)), rng.normal(size=(30, 8)), np.arange(30), np.arange(30)
    whole = rank(*search)
    monkeypatch.setattr("featprobe.imagetext.retrieval._BLOCK", 70)
    small = rank(*search)
    np.testing.assert_array_equal(whole.expected, small.expected)


@pytest.mark.parametrize("block", [1, 100, 10_000])
def test_equal_captions_tie_exactly_whatever_the_product_rounds(block: int, monkeypatch) -> None:
    """One report for every film; equal columns of a product of one row differ in the last bit."""
    monkeypatch.setattr("featprobe.imagetext.retrieval._BLOCK", block)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(37, 129)).astype(np.float32)
    texts = np.repeat(rng.normal(size=(1, 129)).astype(np.float32), 37, axis=0)
    found = rank(images, texts, np.arange(37), np.arange(37))
    assert (found.level == 36).all()
    np.testing.assert_allclose(found.recall(5), 5 / 37)
    np.testing.assert_allclose(found.expected, 19)
    assert (found.worst == 37).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 99), st.integers(0, 4)), min_size=1, max_size=12))
def test_the_weighted_median_is_numpys_of_repeated_values(pairs) -> None:
    values, weights = np.array([v for v, _ in pairs]), np.array([[w for _, w in pairs]])
    if not weights.sum():
        weights[0, 0] = 1
    expected = np.median(np.repeat(values, weights[0]))
    assert weighted_median(values, weights)[0] == pytest.approx(expected)


def test_chance_is_what_shuffled_candidates_reach() -> None:
    rng = np.random.default_rng(0)
    owner = np.array([0, 0, 0, 1, 2, 2])
    item = np.arange(3)
    near = rng.random((20_000, 6)).argsort(1)
    for k in (1, 2, 4):
        hit = [(owner[near[:, :k]] == i).any(1).mean() for i in item]
        assert by_chance(item, owner, k) == pytest.approx(np.mean(hit), abs=0.01)
        assert by_chance(owner, item, k) == pytest.approx(min(1, k / 3))


def test_intervals_follow_patients_not_films() -> None:
    """Films of one patient stay together in a resample, as in a bootstrap by hand."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(60, 6))
    texts = images + rng.normal(size=(60, 6))
    owner, groups = np.arange(60), np.arange(60) // 5
    metrics, ci, chance = compare(images, texts, owner, groups, resamples=200, seed=3)
    hit = rank(images, texts, owner, owner).recall(1)
    assert metrics["image_to_text_recall@1"] == pytest.approx(hit.mean())
    assert chance["image_to_text_recall@5"] == pytest.approx(5 / 60)
    drawn = next(iter(draws(12, 200, np.random.default_rng([3, 0xB007]))))[groups].T.astype(int)
    by_hand = [np.mean(np.concatenate([np.repeat(h, w) for h, w in zip(hit, d)])) for d in drawn]
    expected = share(hit.mean(), np.array(by_hand), 12)
    assert ci["image_to_text_recall@1"] == pytest.approx(expected)
    _, apart, _ = compare(images, texts, owner, np.arange(60), resamples=200, seed=3)
    name = "image_to_text_median_rank"
    assert ci[name] != apart[name]


def test_the_same_films_twice_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 6))
    texts = images + rng.normal(size=(40, 6))
    owner = np.arange(40)
    _, once, _ = compare(images, texts, owner, owner, resamples=400)
    _, twice, _ = compare(
        np.r_[images, images], np.r_[texts, texts], np.arange(80), np.r_[owner, owner],
        resamples=400, depths=(2, 10),
    )  # fmt: skip
    wide = np.subtract(*once["image_to_text_recall@5"][::-1])
    assert np.subtract(*twice["image_to_text_recall@10"][::-1]) > 0.8 * wide


@pytest.fixture
def films(class_folders, tmp_path):
    """Features of the films from a small CLIP, and its folder."""
    image_text(tmp_path / "clip", "clip")
    backbone = fp.load_backbone(tmp_path / "clip")
    data = fp.load_dataset(class_folders)
    return fp.extract(backbone, data, dtype="float32", workers=0, progress=False)


def test_captions_of_some_items_are_ranked_among_themselves(films) -> None:
    ids = films.ids.tolist()
    given = [*ids[:10], ids[3], ids[3]]
    texts = [*(["a normal chest", "a sick chest"] * 5), "edema", "mass of a " + "chest " * 20]
    found = retrieve(films, given, texts, resamples=50)
    assert (found.images, found.captions, found.patients) == (10, 12, 5)
    assert found.notes == [
        "no intervals: 5 test patients, at least 10 are needed",
        "30 items have no caption and take no part",
        "1 of 12 captions are cut off at 12 tokens",
    ]
    assert found.chance["text_to_image_recall@1"] == pytest.approx(0.1)
    assert found.metrics["text_to_image_recall@10"] == 1
    name = "image_to_text_median_rank"
    assert found.metrics[name] < found.metrics[name + "_worst"]  # five films share a caption
    assert json.loads(found.to_json())["metrics"] == found.metrics


def test_an_id_that_the_data_set_lacks_is_named(films) -> None:
    wrong = films.ids[0] + "x"
    with pytest.raises(UnknownName, match=rf"no item '{wrong}'. Did you mean '"):
        retrieve(films, [wrong], ["a chest"])


def test_captions_are_read_with_several_lines_an_item(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text('\ufeffid,text\na,"one, with\ntwo lines"\na,two\nb,three\n', encoding="utf-8")
    assert read_captions(path) == (["a", "a", "b"], ["one, with\ntwo lines", "two", "three"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,texts\na,b\n", "no column 'text'. Did you mean 'texts'"),
        ("", "not a table that can be read"),
        ("id,text\n", "the table has no rows"),
        ("id,text\na,one\nb,\n", "row 3: an id or a text is missing"),
        ("id,text\na\n", "row 2: an id or a text is missing"),
    ],
)
def test_a_captions_file_that_does_not_fit_says_so(text: str, message: str, tmp_path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_captions(path)


def test_a_captions_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingPath, match="no such file"):
        read_captions(tmp_path / "captions.csv")


def test_a_query_without_a_hit_is_behind_all_candidates() -> None:
    found = rank(np.eye(2), np.eye(2), np.array([0, 5]), np.array([0, 0]))
    assert found.expected.tolist() == [1, 3]
    assert found.recall(2).tolist() == [1, 0]
    assert isinstance(found, Ranks)


@pytest.mark.parametrize("side", ["queries", "candidates"])
def test_vectors_that_are_not_finite_are_an_error_not_the_first_rank(side: str) -> None:
    rng = np.random.default_rng(0)
    vectors = {n: rng.normal(size=(6, 3)).astype(np.float32) for n in ("queries", "candidates")}
    vectors[side][2, 1] = np.nan
    with pytest.raises(InputError, match=f"retrieval: 1 of 6 {side} have values"):
        rank(*vectors.values(), np.arange(6), np.arange(6))
