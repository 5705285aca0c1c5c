"""The ridge path against scikit-learn's closed form."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from featprobe.core.errors import InputError
from featprobe.solvers import eigenbasis
from featprobe.solvers.ridge import ridge_path

ALPHAS = (1e-2, 1.0, 30.0, 1e4)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([(60, 12), (12, 60), (20, 20), (3, 40)]))
def test_every_alpha_and_target_equals_its_own_fit(seed: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * rng.uniform(0.1, 5, shape[1]) + rng.normal(size=shape[1])
    y, q = rng.normal(size=(shape[0], 3)) + 4, rng.normal(size=(7, shape[1]))
    for alphas in (ALPHAS, ALPHAS[1:2]):
        path = ridge_path(x, y, alphas)
        assert path.coef.shape == (len(alphas), 3, shape[1])
        for g, alpha in enumerate(alphas):
            theirs = Ridge(alpha=alpha, solver="svd").fit(x, y)
            np.testing.assert_allclose(path.coef[g], theirs.coef_, atol=1e-8)
            np.testing.assert_allclose(path.intercept[g], theirs.intercept_, atol=1e-8)
            np.testing.assert_allclose(path(q)[g], theirs.predict(q), atol=1e-8)


def test_a_target_is_fitted_on_the_rows_where_it_is_known() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 8)), rng.normal(size=(50, 4))
    y[rng.random((50, 4)) < 0.3] = np.nan
    y[:, 1] = np.nan
    path = ridge_path(x, y, ALPHAS)
    for k in (0, 2, 3):
        known = ~np.isnan(y[:, k])
        theirs = Ridge(alpha=30.0).fit(x[known], y[known, k])
        np.testing.assert_allclose(path(x)[2, :, k], theirs.predict(x), atol=1e-8)
    assert (path(x)[:, :, 1] == 0).all()


@pytest.mark.parametrize("block", [1, 7, 8192])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_of_rows_are_all_rows(monkeypatch, block: int, dtype: type) -> None:
    monkeypatch.setattr(eigenbasis, "BLOCK", block)
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 5)).astype(dtype) + 3, rng.normal(size=(60, 2))
    path, theirs = ridge_path(x, y, ALPHAS), Ridge(alpha=30.0).fit(x.astype(np.float64), y)
    np.testing.assert_allclose(path.coef[2], theirs.coef_, atol=1e-8)
    np.testing.assert_allclose(path.intercept[2], theirs.intercept_, atol=1e-8)


def test_many_rows_take_no_copy_of_them() -> None:
    x, y = np.ones((200_000, 8), np.float32), np.ones((200_000, 1))
    x[::3] = 2
    tracemalloc.start()
    ridge_path(x, y, ALPHAS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes


def test_row_order_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    x, y, order = rng.normal(size=(30, 50)), rng.normal(size=(30, 2)), rng.permutation(30)
    one, two = ridge_path(x, y, ALPHAS), ridge_path(x[order], y[order], ALPHAS)
    np.testing.assert_allclose(one.coef, two.coef, atol=1e-10)


@pytest.mark.parametrize("alphas", [[0.0, 1.0], [-1.0], [np.inf], []])
def test_an_alpha_that_is_not_positive_is_refused(alphas: list[float]) -> None:
    with pytest.raises(InputError, match="every alpha must be positive"):
        ridge_path(np.eye(4), np.ones((4, 1)), alphas)
