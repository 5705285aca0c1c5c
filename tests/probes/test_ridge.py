"""The ridge probe against scikit-learn's estimators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featprobe.probes.ridge import ALPHAS, RidgeProbe
from tests.probes.draws import check_tries, draws


def sample(classes: int, n: int = 200, d: int = 30, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, d)) * rng.uniform(0.1, 9, d) + rng.normal(size=(classes, d))[y] * 2
    return x, y, rng.normal(size=(40, d)) * 4


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("d", [30, 400])
def test_decisions_equal_the_ridge_classifier(classes: int, d: int) -> None:
    x, y, q = sample(classes, d=d)
    for alpha in (0.1, 100.0):
        theirs = make_pipeline(StandardScaler(), RidgeClassifier(alpha=alpha)).fit(x, y)
        probe = RidgeProbe(alpha).fit(x, y)
        expected = theirs.decision_function(q)
        np.testing.assert_allclose(probe.decision_function(q), expected, atol=1e-8)
        assert (probe.predict(q) == theirs.predict(q)).all()


def test_probabilities_keep_the_order_of_decisions_and_their_scale() -> None:
    x, y, q = sample(3)
    probe = RidgeProbe(1000.0).fit(x, y)
    d, p = probe.decision_function(q), probe.predict_proba(q)
    assert (np.argsort(d, axis=1) == np.argsort(p, axis=1)).all()
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-12)
    x, y, q = sample(2)
    probe = RidgeProbe(1e4).fit(x, y)  # so strong that every decision is near 0
    d, p = probe.decision_function(q), probe.predict_proba(q)[:, 1]
    assert (np.argsort(d) == np.argsort(p)).all()
    near = np.abs(d) < 0.1
    assert near.any()
    np.testing.assert_allclose(p[near], (1 + d[near]) / 2, atol=1e-3)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_near_the_prior_a_decision_is_twice_a_probability_less_one(classes: int) -> None:
    """Targets are -1 and +1, so this is what least squares estimates, of any number of classes."""
    x, _, q = sample(classes, n=60 * classes)
    y = np.arange(len(x)) % classes
    probe = RidgeProbe(1e6).fit(x + y[:, None], y)  # so strong that all are near it
    d, p = probe.decision_function(q), probe.predict_proba(q)
    assert p.std() > 1e-6
    np.testing.assert_allclose(p[:, 1] if classes == 2 else p, (1 + d) / 2, atol=0.05 * p.std())


def test_values_equal_ridge_regression() -> None:
    x, _, q = sample(2)
    y = x @ np.random.default_rng(1).normal(size=30) + 7
    theirs = make_pipeline(StandardScaler(), Ridge(alpha=3.0)).fit(x, y)
    probe = RidgeProbe(3.0).fit(x, y)
    np.testing.assert_allclose(probe.predict(q), theirs.predict(q), atol=1e-8)
    assert probe.score(x, y) == pytest.approx(theirs.score(x, y))


def test_labels_are_fitted_each_on_its_known_rows() -> None:
    x, _, q = sample(2)
    rng = np.random.default_rng(2)
    y = (rng.random((200, 3)) < 0.4).astype(float)
    y[rng.random((200, 3)) < 0.2] = np.nan
    probe = RidgeProbe(5.0).fit(x, y)
    scale = StandardScaler().fit(x)
    for k in range(3):
        known = ~np.isnan(y[:, k])
        theirs = RidgeClassifier(alpha=5.0).fit(scale.transform(x[known]), y[known, k])
        expected = theirs.decision_function(scale.transform(q))
        np.testing.assert_allclose(probe.decision_function(q)[:, k], expected, atol=1e-8)
        assert (probe.predict(q)[:, k] == theirs.predict(scale.transform(q))).all()


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tries_together_equal_one_after_another(classes: int, dtype: type) -> None:
    x, y, q = sample(classes, n=400, d=64)
    x, q = (x * 100 + 1000).astype(dtype), (q * 100 + 1000).astype(dtype)
    tries = draws(y, (1, 1, 4, 20, 2, 4) * 7)  # 20 shots of 10 classes are more than the width
    check_tries(RidgeProbe(1.0), x, y, tries, q, 1e-6 if dtype is np.float32 else 1e-9)


def test_tries_of_labels_and_values_equal_one_after_another() -> None:
    x, y, q = sample(4, n=120)
    rows = [np.arange(i, 120, 7) for i in range(7)]
    labels = (y[:, None] > np.arange(3)).astype(float)
    check_tries(RidgeProbe(1.0), x, labels, rows, q)
    labels[::5, 1] = np.nan
    check_tries(RidgeProbe(1.0), x, labels, rows, q)
    check_tries(RidgeProbe(1.0), x, x[:, 0] * 2.0, rows, q)


def test_alone_it_chooses_a_strength_that_generalises() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 200))
    y = (x[:, 0] + rng.normal(size=300) * 0.5 > 0).astype(int)
    chosen = RidgeProbe().fit(x[:150], y[:150])
    assert chosen.best_["alphas"] in ALPHAS
    assert chosen.best_["alphas"] > 1
    weakest = RidgeProbe(ALPHAS[0]).fit(x[:150], y[:150])
    assert chosen.score(x[150:], y[150:]) > weakest.score(x[150:], y[150:])


def test_features_of_wild_scale_do_not_collapse_the_probe() -> None:
    x, y, _ = sample(2, n=400)
    x[:, 0] *= 1e4
    assert RidgeProbe().fit(x[:300], y[:300]).score(x[300:], y[300:]) > 0.8
