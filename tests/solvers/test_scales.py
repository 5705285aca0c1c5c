"""Features whose scales differ by many decades: solved as if they did not, or said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import lstsq
from scipy.optimize import minimize
from sklearn.preprocessing import StandardScaler

from featprobe.probes.logistic import LogisticProbe
from featprobe.probes.ridge import RidgeProbe
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.eigenbasis import Eigenbasis, covariance_basis
from featprobe.solvers.logistic import logistic_path
from featprobe.solvers.ordinal import ordinal_path
from featprobe.solvers.ridge import ridge_path


def spread(seed: int, decades: float, n: int = 200, d: int = 8, classes: int = 2):
    """Overlapping classes, features of unit scale and the scale that each is given."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, d))
    logits = z @ rng.normal(size=(d, classes)) / np.sqrt(d) * 1.5
    y = (logits + rng.gumbel(size=(n, classes))).argmax(1)
    y[:classes] = np.arange(classes)
    s = 10.0 ** rng.uniform(-decades / 2, decades / 2, d)
    s[:2] = 10 ** (-decades / 2), 10 ** (decades / 2)
    return z, y, s


def objective(w: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray, C: float) -> float:
    """Mean log-loss + |w|^2 / (2 C N) of a softmax, or of a sigmoid for the second of two."""
    logits = x @ w.T + b
    if len(w) == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    top = logits.max(1, keepdims=True)
    p = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
    return float(-p[np.arange(len(y)), y].mean() + (w**2).sum() / (2 * C * len(y)))


def optimum(z: np.ndarray, y: np.ndarray, s: np.ndarray, C: float) -> float:
    """The least objective for features z s of two classes, by scipy's exact Newton steps.

    In units where every feature has unit scale, so that only the penalty knows the scales.
    """
    n, sign = len(y), 2.0 * y - 1
    a = np.c_[z, np.ones(n)]
    ridge = np.r_[1 / (C * n * s**2), 0.0]

    def value(v: np.ndarray) -> float:
        return float(np.logaddexp(0, -sign * (a @ v)).mean() + ridge @ v**2 / 2)

    def gradient(v: np.ndarray) -> np.ndarray:
        return a.T @ (-sign / (1 + np.exp(sign * (a @ v)))) / n + ridge * v

    def hessian(v: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-(a @ v)))
        return (a.T * (p * (1 - p))) @ a / n + np.diag(ridge)

    start = np.zeros(a.shape[1])
    # coordinates in which the Hessian at the start has a diagonal of ones
    unit = np.sqrt(np.diag(hessian(start)))
    found = minimize(
        lambda u: value(u / unit), start, jac=lambda u: gradient(u / unit) / unit,
        hess=lambda u: hessian(u / unit) / np.outer(unit, unit), method="trust-exact",
        options={"gtol": 1e-11, "maxiter": 500},
    )  # fmt: skip
    return float(found.fun)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.floats(0, 12), st.sampled_from([1e-2, 1.0, 1e4, 1e8]))
def test_the_optimum_is_that_of_the_exact_problem(seed: int, decades: float, C: float) -> None:
    z, y, s = spread(seed, decades)
    path = logistic_path(z * s, y, [C])
    assert path.converged.all()
    reached = objective(path.coef[0], path.intercept[0], z * s, y, C)
    assert reached <= optimum(z, y, s, C) + 1e-6


def test_the_optimum_of_several_classes_has_no_slope() -> None:
    z, y, s = spread(0, 9, classes=3)
    path = logistic_path(z * s, y, [1e6])
    assert path.converged.all()
    w, b = path.coef[0], path.intercept[0]
    base = objective(w, b, z * s, y, 1e6)
    for c in range(3):
        for j in range(len(s)):  # no feature's weight, in its own unit, is worth changing
            for step in (1e-3, -1e-3):
                moved = w.copy()
                moved[c, j] += step / s[j]
                assert objective(moved, b, z * s, y, 1e6) > base - 1e-8


def test_fewer_rows_than_features_are_solved_or_said() -> None:
    for seed, decades in enumerate((0, 3, 7, 10)):
        z, y, s = spread(seed, decades, n=40, d=60)
        Cs = [1e-2, 1.0]
        path = logistic_path(z * s, y, Cs)
        for C, coef, intercept, done in zip(Cs, path.coef, path.intercept, path.converged):
            reached = objective(coef, intercept, z * s, y, C)
            assert reached <= optimum(z, y, s, C) + (1e-8 if done else 1e-4)
    z, y, s = spread(6, 10, n=60, d=100)  # separable, and too long a way for so many steps
    probe = LogisticProbe(1e8, standardize=False).fit(z * s, y)
    assert not probe._path.converged.any()
    assert "did not converge" in probe.notes()[0]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 12), st.sampled_from([(60, 8), (12, 30), (30, 30)]))
def test_the_basis_is_orthonormal_and_loses_nothing(
    seed: int, decades: float, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-decades / 2, decades / 2, shape[1])
    x = rng.normal(size=shape) * scale + rng.normal(size=shape[1])
    basis = Eigenbasis.of(x, np.dtype(np.float64))
    axes = basis.axes.whole()
    np.testing.assert_allclose(axes.T @ axes, np.eye(axes.shape[1]), atol=1e-7)
    assert (np.diff(basis.values) <= 0).all()
    back = basis.z @ axes.T + basis.mean
    floor = 1e-14 * np.abs(x).max()  # of x itself
    np.testing.assert_allclose(back, x, rtol=0, atol=1e3 * floor)
    np.testing.assert_allclose(basis.z.var(0), basis.values, rtol=1e-6, atol=floor**2)


def test_directions_of_rounding_alone_are_left_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 4)) @ rng.normal(size=(4, 9)) + 5
    assert len(covariance_basis(x)[1]) <= 9
    assert covariance_basis(x)[1][4:].max(initial=0) < 1e-20
    assert len(covariance_basis(np.full((10, 3), 0.1))[1]) == 0


@pytest.mark.parametrize("unit", [1e-20, 1e-9, 1.0, 1e12])
def test_a_small_feature_is_no_constant_one(unit: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3)) * [unit, 1, 1]
    found = Standardizer.of(x)(x)
    np.testing.assert_allclose(found, StandardScaler().fit_transform(x), atol=1e-9)
    y = (x[:, 0] > 0).astype(int)
    for probe in (LogisticProbe(1e3), RidgeProbe(1e-3)):
        assert probe.fit(x, y).score(x, y) > 0.95
        tries = [np.arange(50)]
        (p,) = probe.fresh().score_tries(x, y, tries, x)
        assert (p.argmax(1) == y).mean() > 0.95


def test_a_constant_feature_stays_zero_whatever_its_value() -> None:
    for value in (0.0, 0.1, 1e-30, -3e8):
        x = np.full((40, 2), value)
        assert (Standardizer.of(x).scale == 1).all()
        assert (Standardizer.of(x.astype(np.float32)).scale == 1).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.floats(0, 10), st.sampled_from([(80, 6), (15, 30)]))
def test_ridge_is_the_exact_least_squares(
    seed: int, decades: float, shape: tuple[int, int]
) -> None:
    """scipy's least squares with a row sqrt(alpha) e_j for each weight, columns of unit length."""
    z, y, s = spread(seed, decades, *shape)
    x, target = z * s, 2.0 * y - 1
    alphas = np.array([1e-6, 1.0, 1e6])
    path = ridge_path(x, target[:, None], alphas)
    for alpha, coef in zip(alphas, path.coef[:, 0]):
        design = np.r_[x - x.mean(0), np.sqrt(alpha) * np.eye(shape[1])]
        size = np.linalg.norm(design, axis=0)
        wanted = np.r_[target - target.mean(), np.zeros(shape[1])]
        best = lstsq(design / size, wanted)[0] / size
        reached, least = (
            float(((wanted - design @ w) ** 2).sum()) for w in (coef, best)
        )  # fmt: skip
        assert reached <= least * (1 + 1e-6) + 1e-9


def test_two_grades_are_the_logistic_optimum_at_any_scale() -> None:
    for decades in (0, 5, 9):
        z, y, s = spread(1, decades)
        for C in (1e-2, 1e4):
            path = ordinal_path(z * s, y, [C])
            w, b = path.coef, -path.thresholds[:1, :1].ravel()
            reached = objective(w, b, z * s, y, C)
            assert reached <= optimum(z, y, s, C) + 1e-6 or not path.converged[0]
