"""kNN against a plain implementation of the published rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.errors import InputError
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


def test_uniform_l2_equals_sklearn() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(1)
    x, y, q = rng.normal(size=(100, 5)), np.arange(100) % 3, rng.normal(size=(30, 5))
    ours = KNNProbe(k=11, metric="l2", vote="uniform").fit(x, y).predict_proba(q)
    theirs = KNeighborsClassifier(11).fit(x, y).predict_proba(q)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_multilabel_votes_leave_unknown_labels_out() -> None:
    bank = np.array([[1.0, 0], [0.99, 0.01], [0, 1.0]])
    y = np.array([[1.0, np.nan], [0.0, np.nan], [1.0, 1.0]])
    p = KNNProbe(k=2, vote="uniform").fit(bank, y).predict_proba(np.array([[1.0, 0.0]]))
    assert p.tolist() == [[0.5, 0.5]]


def test_duplicates_in_the_bank_leave_scores_independent_of_their_order() -> None:
    rng = np.random.default_rng(2)
    x = np.repeat(rng.normal(size=(10, 4)), 6, axis=0)
    y, q = np.arange(60) // 6 % 2, rng.normal(size=(8, 4))
    order = rng.permutation(60)
    one = KNNProbe(k=12).fit(x, y).predict_proba(q)
    two = KNNProbe(k=12).fit(x[order], y[order]).predict_proba(q)
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"k": 11}, "k = 11 is more than the 10 training items"),
        ({"k": 0}, "k of at least 1"),
        ({"k": 3, "temperature": 0.0}, "temperature 0.0 must be positive"),
        ({"k": 3, "metric": "manhattan"}, "choose of cosine, l2"),
    ],
)
def test_what_cannot_work_is_told(params: dict, message: str) -> None:
    x, y = np.random.default_rng(0).normal(size=(10, 3)), np.arange(10) % 2
    with pytest.raises(InputError, match=message):
        KNNProbe(**params).fit(x, y)
