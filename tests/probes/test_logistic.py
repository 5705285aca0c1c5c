"""The logistic path against scikit-learn's optimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from featprobe.errors import InputError
from featprobe.probes.logistic import CS, LogisticProbe
from featprobe.solvers.logistic import logistic_path


def objective(coef: np.ndarray, intercept: np.ndarray, x: np.ndarray, y: np.ndarray, c: float):
    """scikit-learn's objective over C N, written from its documentation."""
    logits = x @ coef.T + intercept
    if len(intercept) == 1:
        loss = np.logaddexp(0, logits[:, 0]) - logits[:, 0] * y
    else:
        loss = logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]
    return loss.mean() + (coef**2).sum() / (2 * c * len(y))


def reference(x: np.ndarray, y: np.ndarray, c: float) -> LogisticRegression:
    return LogisticRegression(C=c, tol=1e-10, max_iter=20_000).fit(x, y)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_reaches_sklearns_optimum(classes: int, shape: str) -> None:
    rng = np.random.default_rng(classes)
    n, d = (300, 20) if shape == "tall" else (60, 150)
    x = rng.normal(size=(n, d)) * rng.uniform(0.2, 3, d) + rng.normal(size=d)
    y = (x[:, :classes] + rng.normal(size=(n, classes))).argmax(1)
    y[:classes] = range(classes)
    cs = [1e-4, 1e-2, 1.0, 30.0]
    path = logistic_path(x, y, cs)
    assert path.coef.shape == (4, 1 if classes == 2 else classes, d)
    assert path.converged.all()
    for i, c in enumerate(cs):
        theirs = reference(x, y, c)
        best = objective(theirs.coef_, theirs.intercept_, x, y, c)
        ours = objective(path.coef[i], path.intercept[i], x, y, c)
        assert path.objective[i] == pytest.approx(ours, rel=1e-9)
        assert ours <= best * (1 + 1e-6), c


def test_predictions_equal_sklearns_on_digits() -> None:
    x, y = load_digits(return_X_y=True)
    x = x[:, x.std(0) > 0]
    train, test = np.arange(1200), np.arange(1200, 1797)
    probe = LogisticProbe(Cs=0.1).fit(x[train], y[train])
    mean, std = x[train].mean(0), x[train].std(0)
    std[std == 0] = 1
    theirs = reference((x[train] - mean) / std, y[train], 0.1)
    expected = theirs.predict_proba((x[test] - mean) / std)
    np.testing.assert_allclose(probe.predict_proba(x[test]), expected, atol=1e-4)


def test_independent_labels_equal_one_fit_each_on_the_known_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 8))
    y = (x[:, :3] + rng.normal(size=(200, 3)) > 0.5).astype(float)
    y[rng.random((200, 3)) < 0.2] = np.nan
    path = logistic_path(x, y, [0.5])
    for k in range(3):
        known = ~np.isnan(y[:, k])
        theirs = reference(x[known], y[known, k].astype(int), 0.5)
        np.testing.assert_allclose(path.coef[0, k], theirs.coef_[0], atol=1e-4)
        np.testing.assert_allclose(path.intercept[0, k], theirs.intercept_[0], atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_row_order_does_not_matter_and_the_grid_may_be_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(50, 6)), rng.integers(0, 3, 50)
    y[:3] = range(3)
    order = rng.permutation(50)
    one = logistic_path(x, y, [0.01, 1.0])
    two = logistic_path(x[order], y[order], [1.0, 0.01])
    np.testing.assert_allclose(one.coef, two.coef[::-1], atol=1e-4)


def test_features_of_wild_scale_do_not_collapse_the_probe() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(400) % 2
    x = rng.normal(size=(400, 10)) + y[:, None] * 0.8
    x[:, 0] *= 1e4
    x[:, 1] *= 1e-4
    probe = LogisticProbe().fit(x[:300], y[:300])
    guess = probe.predict(x[300:])
    assert np.mean(guess == y[300:]) > 0.85
    assert 0.3 < guess.mean() < 0.7


def test_constant_features_are_harmless() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[:, 1] = 7
    p = LogisticProbe(Cs=1.0).fit(x, np.arange(40) % 2).predict_proba(x)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1)


def test_the_default_grid_is_dinov2s() -> None:
    assert len(CS) == 45
    assert CS[0] == pytest.approx(1e-6)
    assert CS[-1] == pytest.approx(1e5)


@pytest.mark.parametrize("cs", [[0.0, 1.0], [-1.0], []])
def test_a_c_that_is_not_positive_is_refused(cs: list[float]) -> None:
    with pytest.raises(InputError, match="every C must be positive"):
        logistic_path(np.eye(4), np.array([0, 1, 0, 1]), cs)
