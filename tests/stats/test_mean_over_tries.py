"""Intervals of means over draws and over repeats."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.intervals import intervals
from featprobe.stats.mean_over_tries import joined, of_mean, over_draws
from featprobe.stats.resampling import bootstrap
from tests.benchmarks.inference import fewshot, repeats, splits
from tests.benchmarks.inference._normal import interval, scores

SHARE = (0.0, 1.0)


def test_independent_tries_have_the_t_interval_of_their_mean() -> None:
    rng = np.random.default_rng(0)
    tries = rng.normal(2, 0.3, 7)
    variance, df = of_mean(tries)
    found = joined(tries.mean(), ((variance, df), (0.0, 99)), (2.0, 2.0), (-np.inf, np.inf), np.inf)
    expected = stats.t.interval(0.95, 6, tries.mean(), stats.sem(tries))
    np.testing.assert_allclose(found, expected)


def test_random_splits_are_corrected_as_by_nadeau_and_bengio() -> None:
    tries = np.array([0.81, 0.79, 0.84, 0.8, 0.83])
    variance, df = of_mean(tries, 20 / 80)
    assert df == 4
    assert variance == pytest.approx(tries.var(ddof=1) * (1 / 5 + 20 / 80))


def test_two_variances_have_welchs_degrees_of_freedom() -> None:
    """The interval of a difference of two means in Welch's test, as scipy has it."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 6), rng.normal(0, 4, 9)
    parts = (float(stats.sem(a) ** 2), 5), (float(stats.sem(b) ** 2), 8)
    middle = a.mean() - b.mean()
    found = joined(middle, parts, (middle, middle), (-np.inf, np.inf), np.inf)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    np.testing.assert_allclose(found, (expected.low, expected.high))


@given(
    st.floats(0, 1), st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0, 0.5), st.floats(0, 0.5),
    st.integers(1, 50), st.floats(0, 1000),
)  # fmt: skip
def test_an_interval_holds_its_value_and_stays_on_the_scale(
    value, tries, patients, below, above, df, errors
) -> None:
    alone = max(0.0, value - below), min(1.0, value + above)
    low, high = joined(value, ((tries, df), (patients, df)), alone, SHARE, errors)
    assert 0 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1


def test_more_between_tries_is_a_wider_interval() -> None:
    found = [joined(0.7, ((v, 4), (0.001, 40)), (0.6, 0.8), SHARE, 50) for v in (0, 0.001, 0.01)]
    widths = [high - low for low, high in found]
    assert widths == sorted(widths)
    assert widths[2] > 1.5 * widths[0]


def test_where_no_error_is_seen_the_interval_is_not_a_point() -> None:
    y = np.arange(30) % 2
    perfect = [scores(np.where(y == 1, 1.0, -1.0)[:, None] * (1 + t), np.ones(1)) for t in range(5)]
    (low, high), both = interval(y, np.arange(30), perfect, None, None, 0)
    assert high == 1
    assert low < 0.95
    assert both == (low, high)
    rows = [np.arange(30)] * 5
    assert interval(y, np.arange(30), perfect, rows, 0.25, 0)[1] == (low, high)


def test_one_try_or_too_few_patients_have_none() -> None:
    variance, _ = of_mean(np.array([0.7, np.nan]))
    assert math.isnan(variance)
    found = joined(0.7, ((math.nan, 0), (0.01, 20)), (0.6, 0.8), SHARE, 9)
    assert all(map(math.isnan, found))
    refused = joined(0.7, ((0.01, 4), (0.01, 20)), (math.nan, math.nan), SHARE, 9)
    assert all(map(math.isnan, refused))


def test_few_shot_intervals_hold_draws_too() -> None:
    """The simulation of the benchmarks in short: without draws about 84 % are held here."""
    (row,) = fewshot.rows(60, (fewshot.Case(2, 5, 100, 1),))
    assert row.rate >= 0.88
    assert float(row.note.split()[-1].strip(")")) < row.rate


@pytest.mark.slow
def test_repeats_hold_training_sets_too() -> None:
    for row in repeats.rows(25, (repeats.CASES[0], repeats.CASES[3])):
        assert row.rate >= 0.84


def test_splits_reach_what_is_asked_in_short() -> None:
    for row in splits.rows(12):
        if "within" in row.name:
            assert row.rate == 1
        else:
            assert 0.05 < row.rate < 0.4


def drawn(n: int = 60, positive: int = 6, tries: int = 4, noise: float = 1.0) -> ItemScores:
    """A few-shot run: the same patients scored by several fits, few of them positive."""
    rng, y = np.random.default_rng(3), (np.arange(n) < positive).astype(int)
    logits = [2 * y - 1 + noise * rng.normal(size=n) for _ in range(tries)]
    p = [np.stack([1 - s, s], 1) for s in (1 / (1 + np.exp(-x)) for x in logits)]
    ids = np.arange(n).astype(str)
    return ItemScores("multiclass", ids, y, ids, p, None, ("no", "yes"))


def test_a_metric_without_an_interval_leaves_those_behind_it_alone() -> None:
    s, names = drawn(), ["sens_at_95spec", "auroc"]  # six positives are too few for the first
    values, boot = s.mean(names), bootstrap(s, wanted=names, resamples=200)
    alone = intervals(s, values, boot)
    tries = {n: np.array([v.mean([n])[n] for v in each(s)]) for n in names}
    found = over_draws(s, alone, values, tries, boot)
    assert list(found.ci) == list(alone.ci)
    assert math.isnan(found.ci["sens_at_95spec"][0])
    assert math.isfinite(found.ci["auroc"][0])


def test_draws_and_patients_are_joined_with_the_errors_that_could_be_seen() -> None:
    """What is put together by hand: the variance of resamples, and tries times the rarer class."""
    s, name = drawn(), "auroc"
    values, boot = s.mean([name]), bootstrap(s, wanted=[name], resamples=300)
    alone = intervals(s, values, boot)
    tries = np.array([v.mean([name])[name] for v in each(s)])
    (got,) = (ci for n, ci in over_draws(s, alone, values, dict.fromkeys(alone.ci, tries), boot)
              .ci.items() if n == name)  # fmt: skip
    patients = float(np.var(boot[name], ddof=1)) * 60 / 59
    errors = 6 * 4 * min(values[name], 1 - values[name])
    want = joined(values[name], (of_mean(tries), (patients, 59)), alone.ci[name], SHARE, errors)
    np.testing.assert_allclose(got, want)
    other = joined(values[name], (of_mean(tries), (0.0, 59)), alone.ci[name], SHARE, errors)
    assert not np.allclose(got, other)


def each(s: ItemScores) -> list[ItemScores]:
    return [replace(s, tries=[p]) for p in s.tries]
