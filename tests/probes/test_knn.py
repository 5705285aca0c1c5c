"""kNN against a plain implementation of the published rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.neighbours import search
from featprobe.probes.knn import KNNProbe


def published(
    bank: np.ndarray, labels: np.ndarray, x: np.ndarray, ks: list[int], temperature: float
) -> dict[int, np.ndarray]:
    """DINOv2's rule in numpy: softmax over the top max(k) similarities, the first k per class."""
    bank = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    similarity = x @ bank.T
    top = np.argsort(-similarity, axis=1)[:, : max(ks)]
    value = np.take_along_axis(similarity, top, 1) / temperature
    weight = np.exp(value - value.max(1, keepdims=True))
    weight /= weight.sum(1, keepdims=True)
    hot = np.eye(labels.max() + 1)[labels[top]] * weight[:, :, None]
    return {k: hot[:, :k].sum(1) for k in ks}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 30), st.sampled_from([0.07, 0.1, 1.0]))
def test_scores_equal_the_published_rule(seed: int, k: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    bank, x, y = rng.normal(size=(60, 12)), rng.normal(size=(9, 12)), rng.integers(0, 4, 60)
    y[:4] = range(4)
    found = KNNProbe(k=k, temperature=temperature).fit(bank, y).predict_proba(x)
    expected = published(bank, y, x, [k], temperature)[k]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_list_of_k_gives_the_published_votes_up_to_their_sum() -> None:
    rng = np.random.default_rng(0)
    bank, x, y = rng.normal(size=(80, 8)), rng.normal(size=(20, 8)), np.arange(80) % 3
    ks = [1, 5, 20]
    found = KNNProbe(k=ks).fit_candidates(bank, y).score_candidates(x)
    for p, (k, expected) in zip(found, published(bank, y, x, ks, 0.07).items()):
        np.testing.assert_allclose(p, expected / expected.sum(1, keepdims=True), atol=1e-5)
        alone = KNNProbe(k=k).fit(bank, y).predict_proba(x)
        np.testing.assert_allclose(p, alone, atol=1e-12)


@pytest.mark.parametrize("vote", ["uniform", "distance"])
@pytest.mark.parametrize(("metric", "theirs"), [("l2", "euclidean"), ("cosine", "cosine")])
def test_votes_and_values_equal_sklearn_with_a_query_that_is_in_the_bank(
    vote: str, metric: str, theirs: str
) -> None:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    rng = np.random.default_rng(1)
    x, y, q = rng.normal(size=(100, 5)), np.arange(100) % 3, rng.normal(size=(30, 5))
    value, q[3], q[4] = rng.normal(size=100), x[7], x[8]
    for target, reference in ((y, KNeighborsClassifier), (value, KNeighborsRegressor)):
        fitted = reference(11, weights=vote, metric=theirs, algorithm="brute").fit(x, target)
        ours = KNNProbe(k=11, metric=metric, vote=vote).fit(x, target)
        np.testing.assert_allclose(ours.predict(q), fitted.predict(q), atol=2e-5)
        if target is y:
            np.testing.assert_allclose(ours.predict_proba(q), fitted.predict_proba(q), atol=2e-5)
        assert ours.score(q, target[:30]) == pytest.approx(fitted.score(q, target[:30]), abs=1e-4)


def test_a_temperature_near_zero_asks_the_nearest_neighbour_alone() -> None:
    rng = np.random.default_rng(3)
    x, y, q = rng.normal(size=(60, 5)), np.arange(60) % 3, rng.normal(size=(20, 5))
    cold = KNNProbe(k=20, temperature=1e-5).fit(x, y).predict_proba(q)
    np.testing.assert_allclose(cold, KNNProbe(k=1).fit(x, y).predict_proba(q), atol=1e-3)


def test_regression_has_one_column_a_k_and_no_classes() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(50, 4))
    y = x[:, 0] * 3 + 1
    probe = KNNProbe(k=[1, 7], vote="distance")
    found = probe.fit_candidates(x, y).score_candidates(x)
    assert found.shape == (2, 50, 1)
    np.testing.assert_allclose(found[0, :, 0], y)
    with pytest.raises(InputError, match="fitted to values: call predict"):
        probe.fit(x, y).predict_proba(x)


def test_a_tie_goes_to_the_first_class_as_in_sklearn() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    x, y = np.array([[1.0, 0], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]), np.array(list("baba"))
    q = np.array([[1.0, 0.1]])
    assert KNNProbe(k=4, vote="uniform").fit(x, y).predict(q) == "a"
    assert KNeighborsClassifier(4).fit(x, y).predict(q) == "a"


def test_multilabel_votes_leave_unknown_labels_out() -> None:
    bank = np.array([[1.0, 0], [0.99, 0.01], [0, 1.0]])
    y = np.array([[1.0, np.nan], [0.0, np.nan], [1.0, 1.0]])
    probe = KNNProbe(k=2, vote="uniform").fit(bank, y)
    assert probe.predict_proba(np.array([[1.0, 0.0]])).tolist() == [[0.5, 1.0]]
    assert any("for 1 scores no neighbour knows the label" in n for n in probe.notes())


def test_duplicates_in_the_bank_leave_scores_independent_of_their_order() -> None:
    rng = np.random.default_rng(2)
    x = np.repeat(rng.normal(size=(10, 4)), 6, axis=0)
    y, q = np.arange(60) // 6 % 2, rng.normal(size=(8, 4))
    order = rng.permutation(60)
    one = KNNProbe(k=12).fit(x, y).predict_proba(q)
    two = KNNProbe(k=12).fit(x[order], y[order]).predict_proba(q)
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_duplicates_of_two_labels_may_be_cut_but_whole_sets_of_them_are_not_ambiguous() -> None:
    x, y, q = np.ones((8, 3)), np.arange(8) % 2, np.ones((1, 3))
    assert KNNProbe(k=8).fit(x, y).predict_proba(q).tolist() == [[0.5, 0.5]]
    assert KNNProbe(k=3).fit(x, y).predict_proba(q).max() in (2 / 3, 1)


def target(kind: str, rng: np.random.Generator, n: int) -> np.ndarray:
    if kind == "classes":
        return rng.permutation(np.arange(n) % 4)
    if kind == "values":
        return rng.normal(size=n)
    return np.where(rng.random((n, 3)) < 0.2, np.nan, rng.integers(0, 2, (n, 3)))


SETTINGS = {
    "kind": st.sampled_from(["classes", "values", "labels"]),
    "vote": st.sampled_from(["softmax", "uniform", "distance"]),
    "metric": st.sampled_from(["cosine", "l2"]),
    "seed": st.integers(0, 10_000),
}


@settings(deadline=None, max_examples=60)
@given(**SETTINGS)
def test_the_order_of_bank_queries_and_classes_changes_nothing(
    kind: str, vote: str, metric: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, q, y = rng.normal(size=(80, 7)), rng.normal(size=(31, 7)), target(kind, rng, 80)
    probe = KNNProbe(k=[3, 1, 30], vote=vote, metric=metric, temperature=1.0)
    plain = probe.fit_candidates(x, y).score_candidates(q)
    bank, order = rng.permutation(80), rng.permutation(31)
    moved = probe.fit_candidates(x[bank], y[bank]).score_candidates(q[order])
    np.testing.assert_allclose(moved, plain[:, order], atol=1e-3)
    if kind != "values":
        names = rng.permutation(plain.shape[2])
        renamed = y[:, names] if kind == "labels" else np.argsort(names)[y]
        found = probe.fit_candidates(x, renamed).score_candidates(q)
        np.testing.assert_allclose(found, plain[:, :, names], atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(**SETTINGS)
def test_leave_one_out_is_a_fit_to_the_rows_of_other_patients(
    kind: str, vote: str, metric: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(40, 6)), target(kind, rng, 40)
    groups = np.where(np.arange(40) < 13, "many", np.arange(40) // 2)
    probe = KNNProbe(k=[5, 2], vote=vote, metric=metric, temperature=1.0)
    for of in (groups, None):
        found = probe.leave_one_out(x, y, of)
        of = np.arange(40) if of is None else of
        for i in (0, 12, 20, 39):
            rest = of != of[i]
            alone = probe.fresh().fit_candidates(x[rest], y[rest]).score_candidates(x[[i]])
            np.testing.assert_allclose(
                found[:, i, : alone.shape[2]], alone[:, 0], atol=1e-4
            )  # a class may be missing from the end of the rest


def test_a_class_that_training_lacks_and_fewer_than_five_classes_are_scored() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(12, 4)), np.array([0, 3] * 6)
    p = KNNProbe(k=[5, 10]).fit_candidates(x, y).score_candidates(x)
    assert p.shape == (2, 12, 4)
    np.testing.assert_allclose(p.sum(2), 1)
    assert (p[:, :, 1:3] == 0).all()


def test_approximate_neighbours_say_their_recall(monkeypatch) -> None:
    rng = np.random.default_rng(6)
    x, y, q = rng.normal(size=(2000, 8)), np.arange(2000) % 3, rng.normal(size=(100, 8))
    exact = KNNProbe(k=[5, 20]).fit(x, y)
    exact.predict_proba(q)
    assert exact.recall_ is None
    assert exact.notes() == []
    monkeypatch.setattr(search, "_AUTO", 1.0)
    near = KNNProbe(k=[5, 20], nprobe=1).fit(x, y)
    near.predict_proba(q)
    assert 0.3 < near.recall_ < 1
    (note,) = near.notes()
    assert note.startswith("approximate neighbours: ivfpq, recall@20")
    assert note.endswith(f"{near.recall_:.3f}")
    near.leave_one_out(x, y, np.arange(2000) // 2)
    assert near.recall_ is not None


def test_values_of_k_above_the_bank_are_left_out_and_said() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(30, 4)), np.arange(30) % 2
    probe = KNNProbe(k=[200, 5, 30, 50])
    limited = probe.within(30)
    assert limited.candidates() == [{"k": 5}, {"k": 30}]
    assert limited.fit_candidates(x, y).score_candidates(x).shape == (2, 30, 2)
    assert limited.notes() == ["k = 200, 50 left out: more than the 30 items to choose among"]
    assert probe.candidates()[0] == {"k": 200}
    assert probe.notes() == []
    assert probe.fit(x, y).best_ == {"k": 5}
    assert probe.fit(np.repeat(x, 7, axis=0), np.repeat(y, 7)).best_ == {"k": 200}
    with pytest.raises(InputError, match="k = 5 is more than the 4 training items; lower --k"):
        probe.within(4)


def test_what_was_learnt_is_arrays_and_numbers_and_the_search_is_made_again() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(40, 4)).astype(np.float16), np.arange(40) % 2
    probe = KNNProbe(k=3).fit(x, y)
    before = probe.predict_proba(x)
    kept = {n: v for n, v in vars(probe).items() if n not in probe.rebuilt}
    assert kept["_x"] is x
    assert all(
        isinstance(v, (np.ndarray, int, float, str, list, dict, type(None))) for v in kept.values()
    )
    again = KNNProbe()
    vars(again).update(kept)
    np.testing.assert_array_equal(again.predict_proba(x), before)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"k": 11}, "k = 11 is more than the 10 training items"),
        ({"k": 0}, "k of at least 1"),
        ({"k": 3, "temperature": 0.0}, "temperature 0.0 must be positive"),
        ({"k": 3, "metric": "manhattan"}, "choose of cosine, l2"),
        ({"k": 3, "vote": "borda"}, "choose of softmax, uniform, distance"),
        ({"k": 3, "index": "lsh"}, "choose of auto, flat, ivf, hnsw, ivfpq"),
    ],
)
def test_what_cannot_work_is_told(params: dict, message: str) -> None:
    x, y = np.random.default_rng(0).normal(size=(10, 3)), np.arange(10) % 2
    with pytest.raises(InputError, match=message):
        KNNProbe(**params).fit(x, y)
