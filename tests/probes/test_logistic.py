"""The logistic path against scikit-learn's optimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from featprobe.core.errors import InputError
from featprobe.probes.calibrated import CalibratedProbe
from featprobe.probes.logistic import CS, SOLVERS, LogisticProbe
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
    probe = LogisticProbe(Cs=0.1, tol=1e-10).fit(x[train], y[train])
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


def test_a_weight_of_two_is_a_row_twice() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)), np.arange(60) % 3
    twice = rng.integers(0, 3, 60)
    weighted = LogisticProbe(0.3, tol=1e-10).fit(x, y, sample_weight=twice)
    rows = np.repeat(np.arange(60), twice)
    repeated = LogisticProbe(0.3, tol=1e-10).fit(x[rows], y[rows])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-4)
    np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x), atol=1e-5)
    for bad in (np.zeros(60), np.ones(59)):
        with pytest.raises(InputError, match="a number for each row"):
            LogisticProbe(0.3).fit(x, y, sample_weight=bad)


@pytest.mark.parametrize("labels", [False, True])
def test_balanced_class_weights_are_scikit_learns(labels: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 6))
    y = (x[:, 0] + rng.normal(size=300) > 1.2).astype(int)
    z = (x - x.mean(0)) / x.std(0)
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=9999, class_weight="balanced").fit(z, y)
    given = np.stack([y, 1 - y], 1).astype(float) if labels else y
    p = LogisticProbe(0.5, class_weight="balanced").fit(x, given).predict_proba(x)
    expected = theirs.predict_proba(z)
    np.testing.assert_allclose(p, expected[:, ::-1] if labels else expected, atol=1e-4)
    with pytest.raises(InputError, match="class_weight 'even'"):
        LogisticProbe(0.5, class_weight="even").fit(x, y)


@pytest.mark.parametrize("kind", ["two", "three", "labels"])
def test_scikit_learns_loop_gives_the_same_path(kind: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(150, 7))
    y = np.digitize(x[:, 0] + rng.normal(size=150), [0] if kind == "two" else [-0.5, 0.5])
    if kind == "labels":
        y = np.stack([y > 0, y > 1], 1).astype(float)
        y[::11, 1] = np.nan
    one, two = (LogisticProbe([0.1, 3.0], solver=s).fit_candidates(x, y) for s in SOLVERS)
    np.testing.assert_allclose(one.score_candidates(x), two.score_candidates(x), atol=1e-3)
    np.testing.assert_allclose(one._path.objective, two._path.objective, rtol=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from(["two", "three", "labels"]))
def test_draws_solved_together_are_those_solved_alone(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, 30)) * rng.uniform(0.1, 5, 30) + rng.normal(size=30)
    x[:, 4] = 3.0
    y = rng.integers(0, 2 if kind == "two" else 3, 120)
    tries = [
        np.concatenate([np.flatnonzero(y == c)[: 2 + t % 3] for c in np.unique(y)])
        for t in range(5)
    ]
    if kind == "labels":
        y = np.stack([y == 0, y == 1], 1).astype(float)
        y[5, 0] = np.nan
    probe = LogisticProbe(1.0)
    together = list(probe.score_tries(x, y, tries, x))
    for rows, p in zip(tries, together):
        alone = probe.fresh().fit_candidates(x[rows], y[rows]).score_candidates(x)[0]
        np.testing.assert_allclose(p, alone, atol=2e-3)


def test_a_best_value_at_the_end_of_the_grid_widens_it() -> None:
    probe = LogisticProbe()
    assert probe.beyond(20) is None
    up, down = probe.beyond(44), probe.beyond(0)
    assert up.candidates()[0]["Cs"] == pytest.approx(CS[-2])
    assert max(c["Cs"] for c in up.candidates()) == pytest.approx(1e7)
    assert min(c["Cs"] for c in down.candidates()) == pytest.approx(1e-8)
    assert max(c["Cs"] for c in up.beyond(9).candidates()) == pytest.approx(1e9)
    assert LogisticProbe([1.0, 10.0]).beyond(1) is None  # values that were asked for stay


def test_weak_regularisation_of_many_rows_is_still_near_the_optimum() -> None:
    """Large problems run in float32: the objective is scikit-learn's to 1e-6."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9000, 256)) @ np.diag(np.arange(1, 257) ** -0.5)
    x = (x - x.mean(0)) / x.std(0)
    y = (x[:, :4] + 2 * rng.normal(size=(9000, 4))).argmax(1)
    path = logistic_path(x, y, [1e-3, 0.1, 10.0])
    assert path.converged.all()
    for i, c in enumerate([1e-3, 0.1, 10.0]):
        theirs = LogisticRegression(C=c, tol=1e-8, max_iter=2000).fit(x, y)
        best = objective(theirs.coef_, theirs.intercept_, x, y, c)
        ours = objective(path.coef[i], path.intercept[i], x, y, c)
        assert ours <= best * (1 + 1e-6)
        assert path.objective[i] == pytest.approx(ours, rel=1e-6)


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


def test_the_tolerance_is_checked_and_unless_given_not_part_of_a_result() -> None:
    with pytest.raises(InputError, match="tol of probe logistic must be between 0 and 1"):
        LogisticProbe(tol=2.0).candidates()
    plain = LogisticProbe(0.5)
    assert "tol" in plain.get_params()
    assert "tol" not in plain.recorded()  # as in results of versions that had none
    assert LogisticProbe(0.5, tol=1e-4).recorded()["tol"] == 1e-4
    inner = CalibratedProbe(LogisticProbe(0.5, tol=1e-4)).recorded()
    assert inner["probe__tol"] == 1e-4
    assert "probe__tol" not in CalibratedProbe(plain).recorded()
