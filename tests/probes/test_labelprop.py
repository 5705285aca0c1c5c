"""Label propagation against the dense formula and scikit-learn's iteration."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.semi_supervised import LabelSpreading

from featprobe.core.errors import InputError
from featprobe.probes.labelprop import LabelPropagationProbe
from tests.probes.draws import check_tries, draws


def affinity(x: np.ndarray, k: int, gamma: float) -> np.ndarray:
    """W of all items (n, n), dense: s^gamma to the k nearest others, made symmetric."""
    s = cosine_similarity(x)
    np.fill_diagonal(s, -np.inf)
    kth = np.sort(s, axis=1)[:, -k][:, None]
    w = np.where(s >= kth, np.maximum(s, 0) ** gamma, 0)
    return w + w.T


def data(n: int = 60, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.normal(size=(n, 6)) + 1.5 * np.eye(6)[y]
    return x, y


@pytest.mark.parametrize(("k", "alpha", "gamma"), [(5, 0.9, 3.0), (20, 0.99, 1.0), (100, 0.5, 3.0)])
def test_scores_equal_the_closed_form_and_label_spreading(k: int, alpha: float, gamma: float):
    x, y = data()
    bank, queries = x[:12], x[12:]
    w = affinity(x, min(k, len(x) - 1), gamma)
    root = 1 / np.sqrt(w.sum(1))
    s = w * root[:, None] * root
    seeds = np.zeros((60, 3))
    seeds[np.arange(12), y[:12]] = 1
    f = np.linalg.solve(np.eye(60) - alpha * s, seeds)[12:]
    probe = LabelPropagationProbe(k, alpha, gamma).fit(bank, y[:12])
    found = probe.predict_proba(queries)
    np.testing.assert_allclose(found, f / f.sum(1, keepdims=True), atol=1e-5)
    known = np.where(np.arange(60) < 12, y, -1)
    theirs = LabelSpreading(kernel=lambda *_: w, alpha=alpha, max_iter=10_000, tol=1e-9)
    expected = theirs.fit(x, known).label_distributions_[12:]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_learns_from_the_queries() -> None:
    x, y = make_moons(400, noise=0.05, random_state=0)
    x = np.column_stack([np.cos(x[:, 0]), np.sin(x[:, 0]), np.cos(x[:, 1]), np.sin(x[:, 1])])
    first = np.r_[np.flatnonzero(y == 0)[:2], np.flatnonzero(y == 1)[:2]]
    rest = np.setdiff1d(np.arange(400), first)
    probe = LabelPropagationProbe(k=8).fit(x[first], y[first])
    together = probe.predict(x[rest])
    alone = np.concatenate([probe.predict(x[i : i + 1]) for i in rest])
    assert np.mean(together == y[rest]) > 0.98
    assert np.mean(alone == y[rest]) < 0.95
    assert "transductive" in probe.notes()[0]


def test_labels_spread_known_positives_and_negatives_apart() -> None:
    x, y = data(90)
    labels = np.stack([y == 0, y > 0], axis=1).astype(float)
    labels[::2, 1] = np.nan
    probe = LabelPropagationProbe(k=10).fit(x[:45], labels[:45])
    p = probe.predict_proba(x[45:])
    only = LabelPropagationProbe(k=10).fit(x[:45], (y[:45] == 0).astype(int))
    np.testing.assert_allclose(p[:, 0], only.predict_proba(x[45:])[:, 1], atol=1e-6)
    assert roc_auc_score(y[45:] > 0, p[:, 1]) > 0.8


def test_the_order_of_queries_does_not_matter() -> None:
    x, y = data()
    probe = LabelPropagationProbe(k=5).fit(x[:15], y[:15])
    order = np.random.default_rng(0).permutation(45)
    one, two = probe.predict_proba(x[15:]), probe.predict_proba(x[15:][order])
    np.testing.assert_allclose(one[order], two, atol=1e-6)


def test_tries_together_equal_one_after_another() -> None:
    x, y = data(120)
    check_tries(LabelPropagationProbe(k=7), x[:80], y[:80], draws(y[:80], (1, 3, 1)), x[80:])


def test_an_item_that_no_label_reaches_scores_all_classes_alike() -> None:
    x = np.array([[1.0, 0, 0], [0.9, 0.1, 0], [0, 0, 1.0], [0, 0, 0.5]])
    p = LabelPropagationProbe(k=1).fit(x[:2], np.array([0, 1])).predict_proba(x[2:])
    np.testing.assert_allclose(p, 0.5)


@pytest.mark.parametrize("params", [{"k": 0}, {"alpha": 1.0}, {"gamma": 0.0}])
def test_parameters_out_of_range_are_told(params: dict) -> None:
    with pytest.raises(InputError, match="needs k of at least 1, alpha between 0 and 1"):
        LabelPropagationProbe(**params).fit(*data())
