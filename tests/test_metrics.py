"""Metrics against scikit-learn's, for whole samples and for bootstrap weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from featprobe import metrics
from featprobe.errors import InputError


def problem(seed: int, n: int = 120, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels and rounded (so: tied) scores."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return y, rng.dirichlet(np.ones(classes), n).round(2) + 1e-9 * rng.random((n, classes)).round()


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_multiclass_equals_sklearn(seed: int, classes: int) -> None:
    y, p = problem(seed, classes=classes)
    guess = p.argmax(1)
    area = [roc_auc_score(y == c, p[:, c]) for c in range(classes) if (y == c).any()]
    expected = {
        "auroc": np.mean(area),
        "accuracy": accuracy_score(y, guess),
        "balanced_accuracy": balanced_accuracy_score(y, guess),
        "f1": f1_score(y, guess, average="macro"),
    }
    found = metrics.compute("multiclass", y, p)
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, abs=1e-12), name


@given(st.integers(0, 10_000))
def test_weights_equal_repeating_the_samples(seed: int) -> None:
    y, p = problem(seed, 60, 3)
    weights = np.random.default_rng(seed).integers(0, 4, (3, 60))
    weights[:, :6] += 1
    weighted = metrics.compute("multiclass", y, p, weights)
    for b, counts in enumerate(weights):
        rows = np.repeat(np.arange(60), counts)
        plain = metrics.compute("multiclass", y[rows], p[rows])
        for name in metrics.NAMES:
            assert weighted[name][b] == pytest.approx(plain[name][0], nan_ok=True), name


def test_multilabel_equals_sklearn_over_the_known_labels() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (200, 3)).astype(float)
    p = rng.random((200, 3)).round(2)
    y[rng.random((200, 3)) < 0.2] = np.nan
    found = metrics.compute("multilabel", y, p)
    known = [~np.isnan(y[:, c]) for c in range(3)]
    area = [roc_auc_score(y[k, c], p[k, c]) for c, k in enumerate(known)]
    balanced = [balanced_accuracy_score(y[k, c], p[k, c] >= 0.5) for c, k in enumerate(known)]
    f1 = [f1_score(y[k, c], p[k, c] >= 0.5) for c, k in enumerate(known)]
    assert found["auroc"][0] == pytest.approx(np.mean(area))
    assert found["balanced_accuracy"][0] == pytest.approx(np.mean(balanced))
    assert found["f1"][0] == pytest.approx(np.mean(f1))


def test_a_class_absent_from_test_leaves_the_metrics_defined() -> None:
    y = np.array([0, 0, 1, 1, 1])
    p = np.array(
        [[0.8, 0.1, 0.1], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1]]
    )
    found = metrics.compute("multiclass", y, p)
    areas = [roc_auc_score(y == c, p[:, c]) for c in (0, 1)]
    assert found["auroc"][0] == pytest.approx(np.mean(areas))
    assert found["balanced_accuracy"][0] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_one_class_only_has_no_auroc() -> None:
    found = metrics.compute("multiclass", np.zeros(4, int), np.tile([0.6, 0.4], (4, 1)))
    assert np.isnan(found["auroc"][0])
    assert found["accuracy"][0] == 1


def test_auroc_comes_from_scores_not_from_decisions() -> None:
    y = np.array([0, 0, 1, 1])
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])  # every decision says class 0
    found = metrics.compute("multiclass", y, p)
    assert found["auroc"][0] == 1
    assert found["accuracy"][0] == 0.5


def test_chance_is_the_most_frequent_class() -> None:
    y = np.array([0, 0, 0, 1])
    constant = np.tile([1.0, 0.0], (4, 1))
    found = metrics.compute("multiclass", y, constant)
    for name, value in metrics.chance("multiclass", y, 2).items():
        assert found[name][0] == pytest.approx(value), name


def test_chance_of_labels_says_the_more_frequent_value_of_each() -> None:
    y = np.array([[1.0, 0], [1, 0], [1, np.nan], [0, 1]])
    found = metrics.compute("multilabel", y, np.tile([1.0, 0.0], (4, 1)))
    for name, value in metrics.chance("multilabel", y, 2).items():
        if name != "f1":
            assert found[name][0] == pytest.approx(value), name


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(InputError, match="no metrics for task 'survival'"):
        metrics.compute("survival", np.zeros(2), np.zeros((2, 1)))


@given(st.integers(0, 10_000), st.sampled_from(["multiclass", "multilabel"]))
def test_several_tries_give_the_mean_of_each(seed: int, task: str) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 50)
    p = rng.dirichlet(np.ones(3), (4, 50)).round(2)
    if task == "multilabel":
        y = rng.integers(0, 2, (50, 3)).astype(float)
        y[rng.random((50, 3)) < 0.2] = np.nan
    weights = rng.integers(0, 3, (5, 50))
    together = metrics.compute(task, y, p, weights)
    alone = [metrics.compute(task, y, one, weights) for one in p]
    for name in metrics.NAMES:
        expected = np.mean([a[name] for a in alone], axis=0)
        np.testing.assert_allclose(together[name], expected, atol=1e-12, err_msg=name)


def test_pairs_and_ranks_give_one_auroc(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    positive, scores = rng.random(80) < 0.3, rng.random((6, 80)).round(1)
    weights = rng.integers(0, 3, (7, 80))
    by_pairs = metrics.auroc(positive, scores, weights)
    monkeypatch.setattr(metrics, "PAIRS", 0)
    np.testing.assert_allclose(by_pairs, metrics.auroc(positive, scores, weights), atol=1e-12)
