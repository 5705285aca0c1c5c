"""Plans against statsmodels, and against simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from featprobe.core.errors import InputError
from featprobe.stats.power import Spread


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 400), st.floats(0.01, 50), st.floats(0.1, 1.0))
def test_one_fit_is_planned_as_a_paired_t_test(n: int, sd: float, effect: float) -> None:
    spread, theirs = Spread(sd**2 / n, n), TTestPower()
    power = theirs.power(effect, n, 0.05, alternative="two-sided")
    if not math.isnan(power):  # theirs has none far out
        assert spread.power(effect * sd) == pytest.approx(power, abs=1e-6)
    found = spread.detectable()
    assert theirs.power(found / sd, n, 0.05) == pytest.approx(0.8, abs=1e-6)
    needed = spread.needed(effect * sd)
    expected = theirs.solve_power(effect_size=effect, power=0.8, alpha=0.05)
    assert needed == pytest.approx(math.ceil(expected), abs=1)


def test_within_a_family_more_is_needed() -> None:
    alone, family = (Spread(0.01, 40, critical=c) for c in (math.nan, 3.0))
    assert family.alpha < 0.05
    assert family.detectable() > alone.detectable()
    assert family.needed(0.1) > alone.needed(0.1)
    assert alone.alpha == pytest.approx(0.05)


def test_draws_do_not_shrink_with_patients() -> None:
    spread = Spread(0.01, 40, tries=0.01, t=5)
    assert spread.needed(0.05) is None
    assert spread.power(0.05, 1_000_000) < 0.8
    assert spread.detectable() > Spread(0.01, 40).detectable()


def test_simulated_studies_find_a_difference_as_often_as_planned() -> None:
    rng, n, shift = np.random.default_rng(0), 30, 0.5
    x = rng.normal(shift, 1, (4000, n))
    t = x.mean(1) / (x.std(1, ddof=1) / math.sqrt(n))
    critical = 2.0452296421327034
    found = (np.abs(t) > critical).mean()
    assert Spread(1 / n, n).power(shift) == pytest.approx(found, abs=0.025)


def test_what_has_no_answer() -> None:
    assert math.isnan(Spread(0.0, 10).power(0.1))
    assert math.isnan(Spread(0.0, 10).detectable())
    assert math.isnan(Spread(0.1, 1).detectable())
    assert Spread(0.0, 10).needed(0.1) is None
    with pytest.raises(InputError, match="no number of patients finds it"):
        Spread(0.1, 10).needed(0.0)


@pytest.mark.parametrize(("n", "t"), [(12, 3), (40, 5), (7, 20)])
def test_patients_and_tries_have_welchs_degrees_of_freedom(n: int, t: int) -> None:
    """Two variances of means, as in the test of two samples of unequal variance."""
    rng = np.random.default_rng(n)
    a, b = rng.normal(0, 1, n), rng.normal(0, 2, t)
    spread = Spread(float(stats.sem(a) ** 2), n, tries=float(stats.sem(b) ** 2), t=t)
    assert spread._freedom(n) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).df)
