"""The model of the Hessian that the logistic path starts from, against the Hessian itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.solvers import curvature
from featprobe.solvers.curvature import Alike, Apart
from featprobe.solvers.eigenbasis import Eigenbasis
from featprobe.solvers.newton import dense


def basis(seed: int, n: int, d: int) -> Eigenbasis:
    rng = np.random.default_rng(seed)
    return Eigenbasis.of(rng.normal(size=(n, d)) * rng.uniform(0.3, 3, d), np.dtype(np.float64))


def hessian(z: np.ndarray, p: np.ndarray, weight: np.ndarray, ridge: float) -> np.ndarray:
    """Of mean log-loss + ridge / 2 |w|^2 at p (K, n), an intercept last of each class."""
    a = np.c_[z, np.ones(len(z))]
    k = len(p)
    s = np.einsum("kn,kl->nkl", p, np.eye(k)) - np.einsum("kn,ln->nkl", p, p)
    if k == 1:
        s = (p * (1 - p)).T[:, :, None]
    h = np.einsum("n,nkl,ni,nj->kilj", weight, s, a, a) / len(z)
    size = k * a.shape[1]
    return h.reshape(size, size) + np.diag(np.tile(np.r_[np.full(z.shape[1], ridge), 0.0], k))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([1e-6, 1e-2, 10.0]), st.booleans())
def test_of_one_sigmoid_the_turned_model_is_the_hessian(
    seed: int, ridge: float, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    found = basis(seed, 60, 7)
    logits = rng.normal(size=(3, 8)) @ np.c_[found.z, np.ones(60)].T
    p = 1 / (1 + np.exp(-logits))
    weight = rng.uniform(0, 3, (1, 60)) if weighted else None
    with ThreadPoolExecutor(2) as pool:
        model = Apart.turned(found.z, found.values, p, weight, 1, pool)
    ridges = np.array([ridge, 3 * ridge])
    q = rng.normal(size=(6, 8))
    got = model.inverse(ridges)(q)
    ones = np.ones(60) if weight is None else weight[0]
    for i in range(6):  # labels in turn, of each ridge
        h = hessian(found.z, p[i % 3][None], ones, ridges[i // 3])
        np.testing.assert_allclose(h @ got[i], q[i], rtol=1e-6, atol=1e-8)
    some = model.inverse(ridges).take(np.array([4, 1]))
    np.testing.assert_allclose(some(q[[4, 1]]), got[[4, 1]])


def test_where_a_softmax_path_starts_the_model_is_the_hessian() -> None:
    found = basis(0, 50, 4)
    p = np.repeat([[0.5], [0.3], [0.2]], 50, axis=1)
    h = hessian(found.z, p, np.ones(50), 0.1)
    gradient = h @ np.random.default_rng(1).normal(size=15)
    gradient = gradient.reshape(3, 5) - gradient.reshape(3, 5).mean(0)  # a softmax's sum to zero
    step = Alike.of(found.values, p, None).inverse(np.array([0.1]))(gradient.reshape(1, -1))
    np.testing.assert_allclose(h @ step[0], gradient.ravel(), rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([1e-6, 1e-2, 10.0]), st.booleans())
def test_the_model_of_a_softmax_has_the_hessians_own_block_for_each_class(
    seed: int, ridge: float, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    found = basis(seed, 60, 5)
    logits = rng.normal(size=(3, 6)) @ found.extended.T
    p = np.exp(logits) / np.exp(logits).sum(0)
    weight = rng.uniform(0, 3, (1, 60)) if weighted else None
    ridges = np.array([ridge, 3 * ridge])
    with ThreadPoolExecutor(2) as pool:
        inverse = Apart.turned(found.z, found.values, p, weight, 3, pool).inverse(ridges)
    q = rng.normal(size=(2, 18))
    got = inverse(q).reshape(2, 3, 6)
    np.testing.assert_allclose(got.sum(1), 0, atol=1e-9 * np.abs(got).max())
    np.testing.assert_allclose(inverse.take(np.array([1]))(q[1:])[0], got[1].ravel())
    ones = np.ones(60) if weight is None else weight[0]
    for i, each in enumerate(q.reshape(2, 3, 6)):
        blocks = hessian(found.z, p, ones, ridges[i]).reshape(3, 6, 3, 6)
        step = np.stack([np.linalg.solve(blocks[c, :, c], each[c]) for c in range(3)])
        np.testing.assert_allclose(got[i], step - step.mean(0), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("ridge", [1e-8, 0.1])
def test_the_dense_inverse_is_that_of_the_hessian(ridge: float) -> None:
    rng = np.random.default_rng(3)
    found = basis(1, 70, 4)
    z = found.z * 10.0 ** np.array([3, 0, -3, -6])
    logits = rng.normal(size=(3, 5)) @ np.c_[found.z, np.ones(70)].T
    p = np.exp(logits) / np.exp(logits).sum(0)
    weight = rng.uniform(0, 2, (1, 70))
    h = hessian(z, p, weight[0], ridge)
    gradient = h @ np.r_[np.ones(5), np.zeros(5), -np.ones(5)]  # sums to zero over the classes
    extended = np.c_[z, np.ones(70)]
    step = dense(extended, p, weight, np.array([5.0, ridge])).take(np.array([1]))(gradient[None])[0]
    np.testing.assert_allclose(h @ step, gradient, rtol=1e-5, atol=1e-9 * np.abs(gradient).max())


def test_directions_beyond_the_turned_ones_keep_their_variances(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curvature, "TURNED", 3)
    found = basis(2, 80, 6)
    p = np.full((1, 80), 0.3)
    with ThreadPoolExecutor(1) as pool:
        model = Apart.turned(found.z, found.values, p, None, 1, pool)
    assert model.axes.shape == (1, 3, 3)
    q = np.random.default_rng(0).normal(size=(1, 7))
    h = hessian(found.z, p, np.ones(80), 0.5)
    np.testing.assert_allclose(
        h @ model.inverse(np.array([0.5]))(q)[0], q[0], rtol=1e-9, atol=1e-10
    )


def test_a_hessian_that_rounding_left_indefinite_has_a_factor_all_the_same() -> None:
    a = np.repeat([[0.0], [1.0]], 4, axis=0) * np.ones((8, 6))  # one direction, six times
    a[:, -1] = 1
    p = np.repeat([[0.2], [0.3], [0.5]], 8, axis=1)
    step = dense(a, p, None, np.zeros(2))(np.ones((2, 18), np.float32))
    assert step.dtype == np.float32
    assert np.isfinite(step).all()
    assert (np.einsum("pm,pm->p", step, np.ones((2, 18))) > 0).all()
