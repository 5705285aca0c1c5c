"""Ranks over data sets, against scipy, scikit-posthocs and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from featprobe.core.errors import InputError
from featprobe.stats import friedman as module


def drawn(k: int = 5, n: int = 12, seed: int = 0, digits: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(0.8, 0.05, (k, n)) + np.linspace(0, 0.1, k)[:, None]).round(digits)


@pytest.mark.parametrize("digits", [3, 1])
def test_friedman_is_scipys(digits: int) -> None:
    values = drawn(digits=digits)
    found, expected = module.friedman(values), stats.friedmanchisquare(*values)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    np.testing.assert_allclose(found.ranks, stats.rankdata(-values, axis=0))
    for mean, low, high, ranks in zip(found.mean, found.low, found.high, found.ranks):
        wide = stats.t.interval(0.95, 11, ranks.mean(), stats.sem(ranks))
        assert (mean, low, high) == pytest.approx((ranks.mean(), max(1, wide[0]), min(5, wide[1])))


@pytest.mark.parametrize("digits", [3, 1])
def test_nemenyi_is_that_of_scikit_posthocs(digits: int) -> None:
    values = drawn(digits=digits)
    expected = scikit_posthocs.posthoc_nemenyi_friedman(values.T).to_numpy()
    found = module.nemenyi(module.friedman(values).mean, 12)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_the_critical_difference_is_where_p_is_a_twentieth() -> None:
    apart = module.critical_difference(5, 12)
    means = np.array([1.0, 1.0 + apart, 3.0, 3.0, 3.0])
    assert module.nemenyi(means, 12)[0, 1] == pytest.approx(0.05, abs=1e-6)
    assert module.critical_difference(4, 14) == pytest.approx(1.25, abs=0.01)  # Demsar 2006, 3.2.2


@pytest.mark.parametrize(("n", "digits"), [(7, 3), (7, 1), (20, 3), (20, 1)])
def test_signed_ranks_are_scipys(n: int, digits: int) -> None:
    for seed in range(3):
        one, other = drawn(2, n, seed, digits)
        moved = (one - other).round(12)
        expected = stats.wilcoxon(moved[moved != 0]).pvalue
        assert module.signed_rank(one - other) == pytest.approx(expected)


@pytest.mark.slow
def test_wilcoxon_holm_has_statsmodels_holm() -> None:
    values = drawn(n=8, digits=9)
    i, j = np.triu_indices(5, 1)
    alone = [stats.wilcoxon(values[a], values[b]).pvalue for a, b in zip(i, j)]
    expected = multipletests(alone, method="holm")[1]
    np.testing.assert_allclose(module.wilcoxon_holm(values)[i, j], expected)
    whole = scikit_posthocs.posthoc_wilcoxon(list(values), p_adjust="holm").to_numpy()
    np.testing.assert_allclose(module.wilcoxon_holm(values), whole)


def test_models_that_never_differ() -> None:
    same = np.tile(np.linspace(0.5, 0.9, 6), (3, 1))
    found = module.friedman(same)
    assert np.isnan(found.p)
    assert (found.mean == 2).all()
    assert (module.wilcoxon_holm(same) == 1).all()
    assert (module.wins(same)[~np.eye(3, dtype=bool)] == 3).all()
    assert module.cliques(found.mean, module.wilcoxon_holm(same)) == [(0, 2)]


@given(st.integers(2, 8), st.integers(2, 9), st.integers(0, 1000), st.integers(0, 2))
def test_wins_and_ranks_say_the_same(k: int, n: int, seed: int, digits: int) -> None:
    values = np.random.default_rng(seed).normal(size=(k, n)).round(digits)
    won = module.wins(values)
    off = ~np.eye(k, dtype=bool)
    np.testing.assert_allclose((won + won.T)[off], n)
    ranks = module.friedman(values).ranks.sum(1)
    np.testing.assert_allclose(np.nansum(won, axis=1), n * k - ranks)


@given(st.integers(2, 9), st.integers(0, 1000))
def test_groups_hold_no_pair_that_differs_and_miss_none_of_neighbours(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean = rng.uniform(1, k, k)
    p = np.exp(-3 * np.abs(mean[:, None] - mean))
    order, groups = np.argsort(mean), module.cliques(mean, p)
    for first, last in groups:
        assert p[order[first], order[last]] >= 0.05
    for i in range(k - 1):
        together = any(a <= i < b for a, b in groups)
        assert together == (p[order[i], order[i + 1]] >= 0.05)


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(InputError, match="two models and two data sets, not 1 and 5"):
        module.friedman(np.zeros((1, 5)))
    with pytest.raises(InputError, match="every model on every data set"):
        module.friedman(np.array([[1.0, np.nan], [0.0, 1.0]]))
