"""Families of paired tests: what they are by definition, and how often they err."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test, tukey_hsd
from statsmodels.stats.multitest import multipletests

from featprobe.stats.influence import Influence, influence
from featprobe.stats.maxt import EXACT, Family, together
from tests.stats.models import models
from tests.stats.test_ranksets import gaussian


def excluded(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return (low > 0) | (high < 0)


def every(count: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(count), 2))


def check(found: Family) -> None:
    """What must hold of every family."""
    assert (excluded(found.low, found.high) == (found.p < 0.05)).all()
    assert (excluded(found.joint_low, found.joint_high) == (found.joint_p < 0.05)).all()
    assert (found.joint_p >= found.p).all()
    wide = ~np.isnan(found.low) & ~np.isnan(found.joint_low)
    assert (found.joint_low[wide] <= found.low[wide]).all()
    assert (found.joint_high[wide] >= found.high[wide]).all()
    assert (found.low[wide] <= found.difference[wide]).all()
    assert (found.difference[wide] <= found.high[wide]).all()


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 25), st.integers(2, 5), st.integers(0, 10_000), st.sampled_from([1, 2, 5]),
    st.sampled_from([20, 50, 99]), st.booleans(), st.floats(0, 2),
)  # fmt: skip
def test_intervals_and_p_never_contradict(
    patients, count, seed, tries, resamples, coarse, gap
) -> None:
    """Whatever the number of patients, models, tries and swaps, with and without equal values."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(patients, count)) + gap * np.arange(count)
    x = np.round(x) if coarse else x
    value = x.mean(0)
    drawn = value + 0.2 * rng.normal(size=(tries, count)) if tries > 1 else value[None]
    of = Influence(drawn.mean(0), (x - value) / patients, drawn)
    check(together(of, every(count), resamples=resamples, seed=seed))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["auroc", "accuracy", "f1"]))
def test_intervals_and_p_of_metrics_never_contradict(seed: int, metric: str) -> None:
    scored = models(np.random.default_rng(seed), 4, 30, better=[1.0])
    check(together(influence(scored, metric), every(4), resamples=199))


def test_one_pair_of_few_patients_is_the_enumerated_permutation_test() -> None:
    for seed in range(5):
        of = gaussian(np.array([0.5, 0.0]), EXACT - 2, seed)
        shares = (of.units + of.value / len(of.units))[:, [0, 1]]
        expected = permutation_test(
            (shares[:, 0], shares[:, 1]), lambda a, b: np.sum(a - b),
            permutation_type="samples", n_resamples=np.inf,
        )  # fmt: skip
        found = together(of, [(0, 1)])
        assert found.p[0] == pytest.approx(expected.pvalue)
        assert found.joint_p[0] == found.p[0]


def test_drawn_swaps_come_near_the_enumeration(monkeypatch) -> None:
    of = gaussian(np.array([0.6, 0.0, 0.1]), 11, 3)
    exact = together(of, every(3))
    monkeypatch.setattr("featprobe.stats.maxt.EXACT", 0)
    drawn = together(of, every(3), resamples=20_000)
    np.testing.assert_allclose(drawn.p, exact.p, atol=0.015)
    np.testing.assert_allclose(drawn.joint_p, exact.joint_p, atol=0.015)
    np.testing.assert_allclose(drawn.joint_high, exact.joint_high, rtol=0.1)


def test_of_normal_values_it_is_tukeys_test() -> None:
    """Uncorrelated models of equal variance: all pairs of a one-way layout."""
    z = np.random.default_rng(0).normal(size=(300, 5))
    x = np.linalg.qr(z - z.mean(0))[0] * 299**0.5 + np.array([0.0, 0.05, 0.1, 0.2, 0.25])
    value = x.mean(0)
    of = Influence(value, (x - value) / 300, value[None])
    found = together(of, every(5), resamples=10_000)
    expected = tukey_hsd(*x.T)
    theirs = np.array([expected.pvalue[i, j] for i, j in every(5)])
    np.testing.assert_allclose(found.joint_p, theirs, atol=0.02)
    ends = expected.confidence_interval()
    width = np.mean([ends.high[i, j] - ends.low[i, j] for i, j in every(5)])
    assert np.mean(found.joint_high - found.joint_low) == pytest.approx(width, rel=0.03)


def test_of_correlated_pairs_it_rejects_no_less_than_holm_would_the_largest() -> None:
    """Bonferroni ignores that pairs share models; the largest of all does not."""
    of = gaussian(np.array([0.35, 0.3, 0.0, 0.0, 0.05]), 60, 1)
    found = together(of, every(5), resamples=4000)
    holm = multipletests(found.p, method="holm")[1]
    assert found.joint_p.min() <= holm.min() + 0.003
    assert (found.joint_p <= np.minimum(1, 10 * found.p) + 0.02).all()


def test_a_pair_does_not_depend_on_what_else_is_compared() -> None:
    of = gaussian(np.array([0.3, 0.1, 0.0, 5.0]), 40)
    alone, among = together(of, [(0, 1)]), together(of, every(4))
    for name in ("difference", "error", "p", "low", "high"):
        assert getattr(alone, name)[0] == getattr(among, name)[0]
    back = together(of, [(1, 0)])
    assert (back.low[0], back.high[0]) == pytest.approx((-alone.high[0], -alone.low[0]))


def test_a_much_better_model_does_not_make_two_equal_ones_differ() -> None:
    """Equal models beside different ones: the error of the family is that of the equal pairs."""
    pairs, errors = every(4), 0
    for seed in range(200):
        of = gaussian(np.array([3.0, 0.0, 0.0, 0.0]), 25, seed)
        found = dict(zip(pairs, together(of, pairs, resamples=199, seed=seed).joint_p))
        assert max(found[0, k] for k in (1, 2, 3)) < 0.05
        errors += min(found[p] for p in ((1, 2), (1, 3), (2, 3))) < 0.05
    assert errors <= 18


def test_identical_models_do_not_differ_and_a_better_third_does() -> None:
    one, other = models(np.random.default_rng(0), 2, 80, better=[2.0])
    found = together(influence([one, other, other], "auroc"), every(3))
    assert found.joint_p[2] == found.p[2] == 1
    assert np.isnan([found.low[2], found.joint_high[2]]).all()
    assert (found.joint_p[:2] < 0.05).all()
    same = together(influence([one, one], "auroc"), [(0, 1)])
    assert (same.difference[0], same.p[0]) == (0, 1)


def test_p_is_never_zero_and_few_swaps_never_find_anything() -> None:
    of = gaussian(np.array([9.0, 0.0]), 100)
    assert together(of, [(0, 1)], resamples=99).p[0] == pytest.approx(0.01)
    few = together(of, [(0, 1)], resamples=10)
    assert np.isnan(few.low[0])
    assert np.isnan(together(gaussian(np.array([9.0, 0.0]), 5), [(0, 1)]).low[0])
    assert together(gaussian(np.array([9.0, 0.0]), 6), [(0, 1)]).p[0] == pytest.approx(1 / 32)


def test_where_all_patients_agree_the_interval_is_not_a_point() -> None:
    of = Influence(np.array([1.0, 0.0]), np.zeros((20, 2)), np.array([[1.0, 0.0]]))
    found = together(of, [(0, 1)])
    assert found.p[0] < 0.05
    assert 0 < found.low[0] < 1 < found.high[0]


@pytest.mark.slow
def test_draws_count_beside_patients() -> None:
    """Two equal backbones: with tries as fixed the p would be small half of the time."""
    errors = found_some = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        null = models(rng, 2, 150, tries=5, apart=0.3)
        errors += together(influence(null, "auroc"), [(0, 1)], resamples=199).p[0] < 0.05
        real = models(rng, 2, 150, tries=5, apart=0.1, better=[0.6])
        found_some += together(influence(real, "auroc"), [(0, 1)], resamples=199).p[0] < 0.05
    assert errors <= 7
    assert found_some >= 40
