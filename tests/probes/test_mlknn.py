"""ML-kNN against the formulas of the paper, written out loop by loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.probes.mlknn import MLkNNProbe


def paper(
    x: np.ndarray, y: np.ndarray, q: np.ndarray, k: int, s: float, own: bool = False
) -> np.ndarray:
    """Zhang & Zhou 2007, section 3, one label and one item at a time; NaN labels are skipped."""

    def nearest(v: np.ndarray, without: int | None) -> list[int]:
        cosine = x @ v / (np.linalg.norm(x, axis=1) * np.linalg.norm(v))
        order = [int(i) for i in np.argsort(-cosine) if i != without]
        return order[:k]

    out = np.empty((len(q), y.shape[1]))
    for label in range(y.shape[1]):
        column = y[:, label]
        m = sum(v == v for v in column)
        prior = (s + sum(column == 1)) / (2 * s + m)
        c, c_without = np.zeros(k + 1), np.zeros(k + 1)
        for i in range(len(x)):
            j = sum(column[n] == 1 for n in nearest(x[i], None if own else i))
            if column[i] == 1:
                c[j] += 1
            elif column[i] == 0:
                c_without[j] += 1
        for t in range(len(q)):
            j = sum(column[n] == 1 for n in nearest(q[t], None))
            one = prior * (s + c[j]) / (s * (k + 1) + c.sum())
            zero = (1 - prior) * (s + c_without[j]) / (s * (k + 1) + c_without.sum())
            out[t, label] = one / (one + zero)
    return out


def draw(seed: int, unknown: float, n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    y = (x[:, :3] + rng.normal(size=(n, 3)) > 0.3).astype(float)
    y[rng.random(y.shape) < unknown] = np.nan
    return x, y, rng.normal(size=(11, 5))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0, 0.3, 1]), st.sampled_from([1.0, 0.2]))
def test_every_k_equals_the_paper(seed: int, unknown: float, s: float) -> None:
    x, y, q = draw(seed, unknown)
    ks = [7, 1, 20]
    found = MLkNNProbe(k=ks, smoothing=s).fit_candidates(x, y).score_candidates(q)
    for p, k in zip(found, ks):
        np.testing.assert_allclose(p, paper(x, y, q, k, s), atol=1e-12)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([0, 0.3]))
def test_as_in_rads_code_an_item_may_be_its_own_neighbour(seed: int, unknown: float) -> None:
    x, y, q = draw(seed, unknown)
    patients = np.arange(len(x)) // 2  # who the neighbours are of does not count there
    probe = MLkNNProbe(k=[1, 7], own_neighbour=True).fit(x, y, groups=patients)
    for p, k in zip(probe.score_candidates(q), [1, 7]):
        np.testing.assert_allclose(p, paper(x, y, q, k, 1.0, own=True), atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_the_order_of_bank_queries_and_labels_changes_nothing(seed: int) -> None:
    x, y, q = draw(seed, 0.2)
    rng = np.random.default_rng(seed)
    rows, order, names = rng.permutation(len(x)), rng.permutation(len(q)), rng.permutation(3)
    probe = MLkNNProbe(k=[2, 9])
    plain = probe.fit_candidates(x, y).score_candidates(q)
    moved = probe.fit_candidates(x[rows], y[rows][:, names]).score_candidates(q[order])
    np.testing.assert_allclose(moved, plain[:, order][:, :, names], atol=1e-12)


def test_labels_that_follow_the_features_are_found() -> None:
    x, y, _ = draw(1, 0, n=600)
    probe = MLkNNProbe(k=15).fit(x[:500], y[:500])
    assert probe.score(x[500:], y[500:]) > 0.7 > max(y[500:].mean(), 1 - y[500:].mean())


def test_a_training_item_is_not_its_own_neighbour() -> None:
    x, y, _ = draw(2, 0)
    with pytest.raises(InputError, match="k = 40 is more than the 39 other training items"):
        MLkNNProbe(k=40).fit_candidates(x, y)
    assert MLkNNProbe(k=[39, 40]).within(40).candidates() == [{"k": 39}]


@pytest.mark.parametrize("s", [0.0, -1.0, np.inf])
def test_smoothing_must_be_positive(s: float) -> None:
    x, y, _ = draw(3, 0)
    with pytest.raises(InputError, match="smoothing.*must be (positive|a number)"):
        MLkNNProbe(k=3, smoothing=s).fit(x, y)


def test_classes_are_labels_whose_scores_are_divided_by_their_sum() -> None:
    x, _, q = draw(4, 0)
    y = np.arange(40) % 3
    found = MLkNNProbe(k=6).fit(x, y).predict_proba(q)
    plain = paper(x, np.eye(3)[y], q, 6, 1.0)
    np.testing.assert_allclose(found, plain / plain.sum(1, keepdims=True), atol=1e-12)


def test_values_are_sent_to_knn() -> None:
    x, _, _ = draw(5, 0)
    with pytest.raises(InputError, match="mlknn is for labels and classes; take knn for values"):
        MLkNNProbe(k=3).fit_candidates(x, x[:, 0])
