"""The logistic path where it is hard: few rows, overlap, complete separation, and large C."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from featprobe.solvers import hessians, logistic, problem
from featprobe.solvers.logistic import logistic_path
from tests.benchmarks.rivals import objective, objective_of
from tests.benchmarks.solvers import APART, Cell, data

CS = np.geomspace(1e-3, 1e4, 29)


@settings(deadline=None, max_examples=8)
@given(
    st.sampled_from([(60, 100), (150, 20), (400, 30)]), st.sampled_from([2, 3, 6]),
    st.sampled_from(sorted(APART)), st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_objective_is_that_of_newton_steps_in_few_rounds(
    shape: tuple[int, int], classes: int, apart: str, standardized: bool, imbalanced: bool
) -> None:
    x, y = data(Cell("path", *shape, classes, apart, standardized, imbalanced))
    path = logistic_path(x, y, CS)
    assert path.converged.all()
    assert path.iterations.max() < 100
    for i in (0, 14, 28):
        theirs = LogisticRegression(C=CS[i], solver="newton-cholesky", tol=1e-10, max_iter=200)
        best = objective(theirs.fit(x.astype(float), y), x, y, CS[i])
        ours = objective_of(path.coef[i], path.intercept[i], x, y, CS[i])
        assert ours <= best * (1 + 1e-6)


def test_coefficients_at_a_tight_tolerance_are_newtons() -> None:
    x, y = data(Cell("path", 400, 20, 4, "weak", True))
    path = logistic_path(x, y, [0.1], tolerance=1e-13)
    theirs = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-10).fit(x.astype(float), y)
    np.testing.assert_allclose(path.coef[0], theirs.coef_, atol=1e-5)


@pytest.mark.parametrize("kind", ["path", "labels"])
def test_threads_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are parted by how many there are, so that sums do not depend on who makes them."""
    x, y = data(Cell(kind, 3_000, 40, 5, "weak", False))
    monkeypatch.setattr(problem, "PART", 100_000)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(logistic, "cores", lambda threads=threads: threads)
        found.append(logistic_path(x, y, CS))
    np.testing.assert_array_equal(found[0].coef, found[1].coef)
    np.testing.assert_array_equal(found[0].iterations, found[1].iterations)


def test_problems_that_float32_cannot_end_go_on_in_float64() -> None:
    x, y = data(Cell("path", 500, 30, 4, "strong", False))
    x = x.astype(np.float64)
    path = logistic_path(x, y, CS, tolerance=1e-13)
    assert path.converged.all()
    for i in (7, 14, 28):
        theirs = LogisticRegression(C=CS[i], solver="newton-cholesky", tol=1e-12, max_iter=200)
        theirs.fit(x, y)
        best = objective(theirs, x, y, CS[i])
        ours = objective_of(path.coef[i], path.intercept[i], x, y, CS[i])
        assert abs(ours / best - 1) < 1e-10  # float32 itself is right to 1e-7 of a value
        np.testing.assert_allclose(path.coef[i], theirs.coef_, atol=3e-6 * abs(theirs.coef_).max())


@pytest.mark.parametrize("apart", sorted(APART))
@pytest.mark.parametrize("standardized", [True, False])
def test_features_in_single_precision_end_at_newtons_objective(
    apart: str, standardized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem, "DOUBLE", 0)
    x, y = data(Cell("path", 500, 60, 4, apart, standardized))
    path = logistic_path(x, y, CS)
    assert path.converged.all()
    for i in (0, 14, 28):
        theirs = LogisticRegression(C=CS[i], solver="newton-cholesky", tol=1e-10, max_iter=200)
        best = objective(theirs.fit(x.astype(float), y), x, y, CS[i])
        ours = objective_of(path.coef[i], path.intercept[i], x, y, CS[i])
        assert ours <= best * (1 + 1e-6)


def test_a_model_of_the_hessian_is_made_only_where_it_spares_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    turned = problem.Problem.turned
    monkeypatch.setattr(problem.Problem, "turned", lambda *given: made.append(1) or turned(*given))
    rng = np.random.default_rng(0)
    scale = np.arange(1, 201) ** -0.5
    y = rng.integers(0, 5, 2_000)
    easy = (rng.normal(size=(5, 200))[y] + rng.normal(size=(2_000, 200))) * scale
    path = logistic_path(easy / easy.std(0), y, np.geomspace(1e-6, 5e-4, 20))
    assert path.iterations.max() <= hessians.FEW
    assert not made
    x, y = data(Cell("path", 1_000, 100, 2, "weak", True))
    logistic_path(x, y, np.geomspace(1e-6, 1e5, 45))
    assert made


@pytest.mark.parametrize("kind", ["path", "labels"])
def test_a_hessian_made_within_a_group_ends_what_would_take_long(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = data(Cell(kind, 300, 100, 2 if kind == "path" else 3, "weak", True, True))
    x = x * np.geomspace(1e-3, 1e3, 100)  # the features' covariance says nothing of the weighted
    with_it = logistic_path(x, y, CS)
    assert with_it.converged.all()
    assert with_it.iterations.max() < 100
    monkeypatch.setattr(hessians.Hessians, "renew", lambda *given: None)
    without = logistic_path(x, y, CS)
    assert without.iterations.sum() > 2 * with_it.iterations.sum()
    np.testing.assert_allclose(with_it.objective, without.objective, rtol=1e-5)


def test_what_is_the_same_for_all_classes_is_not_left_to_rounding() -> None:
    """It changes no probability, so that only the ridge could take it back."""
    x, y = data(Cell("path", 400, 150, 5, "none", True))
    Cs = [1e2, 1e4, 1e5]
    path = logistic_path(x, y, Cs)
    assert np.abs(path.coef.mean(1)).max() < 1e-12 * np.abs(path.coef).max()
    tight = logistic_path(x, y, Cs, tolerance=1e-12)
    np.testing.assert_allclose(path.objective, tight.objective, rtol=3e-7)
    theirs = LogisticRegression(C=1e5, tol=1e-9, max_iter=50_000).fit(x.astype(float), y)
    assert tight.objective[2] <= objective(theirs, x, y, 1e5) * (1 + 1e-9)


def test_a_looser_tolerance_takes_fewer_rounds_and_changes_no_decision_that_matters() -> None:
    x, y = data(Cell("path", 600, 40, 3, "weak", True))
    tight, usual, loose = (logistic_path(x, y, CS, tolerance=t) for t in (1e-12, None, 1e-3))
    assert loose.iterations.sum() < usual.iterations.sum() < tight.iterations.sum()
    assert (usual.objective <= tight.objective * (1 + 1e-6)).all()
    p, q = usual.predict_proba(x), tight.predict_proba(x)
    assert (p.argmax(2) == q.argmax(2)).mean() > 0.999
    # Pinsker: the squared distance of probabilities is at most twice their divergence
    assert (np.abs(p - q).sum(2) ** 2).mean() <= 2e-6


def test_a_label_that_never_occurs_and_one_that_always_does_are_harmless() -> None:
    x, y = data(Cell("labels", 120, 10, 4, "weak", True))
    y[:, 0], y[:, 1] = 0, 1
    path = logistic_path(x, y, CS)
    assert np.isfinite(path.coef).all()
    assert np.isfinite(path.intercept).all()
    p = path.predict_proba(x)
    assert (p[:, :, 0] < 0.05).all()
    assert (p[:, :, 1] > 0.95).all()


@pytest.mark.parametrize("kind", ["path", "labels"])
def test_features_that_say_nothing_leave_the_intercepts(kind: str) -> None:
    y = data(Cell(kind, 60, 4, 3, "weak", True))[1]
    for x in (np.ones((60, 5)), np.zeros((60, 80))):
        path = logistic_path(x, y, [0.1, 10.0])
        assert path.converged.all()
        assert (path.coef == 0).all()
        rate = path.predict_proba(x[:1])[:, 0]
        wanted = y.mean(0) if kind == "labels" else np.bincount(y) / len(y)
        np.testing.assert_allclose(rate, [wanted] * 2, atol=1e-5)
