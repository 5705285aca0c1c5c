"""Score-type intervals against statsmodels and published examples."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from featprobe.stats.score import area_variance, reach, score_interval, wilson

Z = 1.959963984540054


@given(st.integers(1, 2000), st.floats(0, 1))
def test_wilson_is_that_of_statsmodels(trials: int, part: float) -> None:
    right = round(part * trials)
    expected = proportion_confint(right, trials, 0.05, method="wilson")
    assert wilson(right / trials, trials, Z) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 500), st.floats(0, 1))
def test_halving_finds_wilsons_interval(trials: int, share: float) -> None:
    found = score_interval(share, lambda v: v * (1 - v) / trials, Z)
    assert found == pytest.approx(wilson(share, trials, Z), abs=1e-6)


def test_the_area_of_hanley_and_mcneil_has_their_standard_error() -> None:
    """Their table II: 0.893 of 51 abnormal and 58 normal images, standard error 0.032."""
    assert math.sqrt(area_variance(0.893, 51, 58)) == pytest.approx(0.032, abs=6e-4)


def test_a_perfect_area_of_ten_and_ten_is_not_one_point() -> None:
    """At 0.8 the variance is 0.16 (1 + 9 / 6 + 4) / 100 and 0.2 two standard errors (Newcombe)."""
    low, high = score_interval(1.0, lambda v: area_variance(v, 10, 10), Z)
    assert (low, high) == (pytest.approx(0.8, abs=1e-3), 1.0)


@given(st.floats(0, 1), st.integers(1, 300), st.integers(1, 300))
def test_an_area_does_not_depend_on_which_class_is_positive(area: float, a: int, b: int) -> None:
    one = score_interval(area, lambda x: area_variance(x, a, b), Z)
    other = score_interval(1 - area, lambda x: area_variance(x, b, a), Z)
    assert one == pytest.approx((1 - other[1], 1 - other[0]), abs=1e-6)
    assert 0 <= one[0] <= area <= one[1] <= 1
    assert one[1] - one[0] > 0


def test_reach_is_the_quantile_of_t() -> None:
    for degrees, expected in ((1, 12.706), (9, 2.262), (1e9, 1.960)):  # of tables
        assert reach(degrees) == pytest.approx(expected, abs=1e-3)
    assert reach(0) == reach(1)
