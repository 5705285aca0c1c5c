"""McNemar's test against the binomial one, and its interval against its own p."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2
from statsmodels.stats.contingency_tables import mcnemar as theirs

from featprobe.stats.paired import mcnemar


def decisions(b: int, c: int) -> tuple[np.ndarray, np.ndarray]:
    """Two models on b + c + 8 items, of which they disagree on b and c."""
    one = np.r_[np.ones(b, bool), np.zeros(c, bool), np.ones(5, bool), np.zeros(3, bool)]
    other = np.r_[np.zeros(b, bool), np.ones(c, bool), np.ones(5, bool), np.zeros(3, bool)]
    return one, other


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_the_binomial_and_chi_squared_ones(b: int, c: int) -> None:
    found = mcnemar(*decisions(b, c))
    assert (found.first, found.second) == (b, c)
    if b + c == 0:
        assert found.exact == found.corrected == 1
        assert np.isnan([found.low, found.high]).all()
        return
    assert found.exact == pytest.approx(binomtest(b, b + c, 0.5).pvalue)
    assert found.exact == pytest.approx(theirs([[5, b], [c, 3]], exact=True).pvalue)
    statistic = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    assert found.corrected == pytest.approx(chi2.sf(statistic, 1))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_excludes_zero_where_p_is_small_and_nowhere_else(b, c, level) -> None:
    found = mcnemar(*decisions(b, c), level)
    excluded = bool(found.low > 0 or found.high < 0)
    assert excluded == (found.exact < 1 - level)
    if b + c:
        n = b + c + 8
        share = binomtest(b, b + c).proportion_ci(level)
        expected = [(2 * s - 1) * (b + c) / n for s in share]
        assert [found.low, found.high] == pytest.approx(expected)
        assert found.low <= (b - c) / n <= found.high
