"""Paired tests against their enumeration, and corrections against theirs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2, kstest, rankdata
from sklearn.metrics import f1_score, roc_auc_score

from featprobe.errors import InputError
from featprobe.scored import Scored
from featprobe.stats import paired
from featprobe.stats.paired import holm, mcnemar, permutation
from featprobe.stats.resampling import bootstrap
from tests.stats.test_resampling import scored


def models(seed: int, n: int = 36, patients: int = 6, better: float = 0.0) -> tuple[Scored, Scored]:
    """Two models' scores of the same items, the first better by so much."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % patients
    y = rng.permutation(n) % 2
    shared = rng.normal(size=patients)[groups]
    out = []
    for gain in (1 + better, 1.0):
        logit = gain * (2 * y - 1) * 0.7 + shared + rng.normal(size=n)
        second = (1 / (1 + np.exp(-logit))).round(2)
        out.append(scored(y, np.stack([1 - second, second], axis=1), groups))
    return out[0], out[1]


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["auroc", "f1"]))
def test_few_patients_are_enumerated(seed: int, metric: str) -> None:
    one, other = models(seed)

    def value(p: np.ndarray) -> float:
        if metric == "f1":
            return f1_score(one.y, p.argmax(1), average="macro")
        return np.mean([roc_auc_score(one.y == c, p[:, c]) for c in (0, 1)])

    a, b = one.tries[0], other.tries[0]
    if metric == "auroc":  # ranks within each model are swapped
        a, b = rankdata(a, axis=0), rankdata(b, axis=0)
    found = []
    for swaps in itertools.product([False, True], repeat=6):
        swap = np.array(swaps)[one.groups][:, None]
        found.append(value(np.where(swap, b, a)) - value(np.where(swap, a, b)))
    observed = found[0]
    expected = np.mean(np.abs(found) >= abs(observed) - 1e-12)
    result = permutation(one, other, metric)
    assert result.exact
    assert result.difference == pytest.approx(observed)
    assert result.p == pytest.approx(expected)


def test_scales_of_scores_do_not_matter_where_ranks_count() -> None:
    one, other = models(5, 60, 20, 1.0)
    expected = permutation(one, other, "auroc", resamples=400)
    for change in (lambda p: p**9, lambda p: 1e-3 * p, lambda p: 5 + np.exp(20 * p)):
        moved = replace(other, tries=[change(other.tries[0])])
        assert permutation(one, moved, "auroc", resamples=400) == pytest.approx(expected)


def test_drawn_swaps_come_near_the_enumeration(monkeypatch) -> None:
    one, other = models(5, better=1.0)
    exact = permutation(one, other, "auroc")
    monkeypatch.setattr(paired, "EXACT", 0)
    drawn = permutation(one, other, "auroc", resamples=20_000)
    assert not drawn.exact
    assert drawn.difference == exact.difference
    assert drawn.p == pytest.approx(exact.p, abs=0.02)


def test_without_a_difference_p_is_uniform_and_with_one_it_is_small() -> None:
    null = [permutation(*models(t, 60, 20), "auroc", resamples=199).p for t in range(200)]
    assert kstest(null, "uniform").pvalue > 0.01
    assert np.mean(np.array(null) <= 0.05) <= 0.1
    real = [permutation(*models(t, 200, 40, 2.0), "auroc", resamples=199).p for t in range(10)]
    assert np.median(real) <= 0.02


def test_p_is_never_zero_and_one_for_the_same_model() -> None:
    one, other = models(0, 400, 100, 5.0)
    found = permutation(one, other, "auroc", resamples=99)
    assert found.p == pytest.approx(1 / 100)
    assert permutation(one, one, "auroc", resamples=99).p == 1
    flipped = permutation(other, one, "auroc", resamples=99)
    assert flipped.difference == pytest.approx(-found.difference)


def test_all_tries_of_a_patient_are_swapped_together() -> None:
    one, other = models(3)
    first = permutation(one, other, "auroc")
    three = [scored(s.y, [s.tries[0]] * 3, s.groups) for s in (one, other)]
    again = permutation(*three, "auroc")
    assert (again.difference, again.p) == pytest.approx((first.difference, first.p))


def test_other_items_or_tries_are_refused() -> None:
    one, other = models(0)
    more = scored(one.y, [one.tries[0]] * 2, one.groups)
    for wrong in (more, other.only(np.arange(36) > 0)):
        with pytest.raises(InputError, match="the same items, in the same tries"):
            permutation(one, wrong, "auroc")


def test_the_interval_of_a_difference_is_paired() -> None:
    one, other = models(7, 400, 50, 0.5)
    boot = [bootstrap(s, wanted=["auroc"])["auroc"] for s in (one, other)]
    found = paired.paired(*boot, one.patients)
    difference = one.mean()["auroc"] - other.mean()["auroc"]
    assert found.low < difference < found.high
    apart = [bootstrap(s, wanted=["auroc"], seed=i)["auroc"] for i, s in enumerate((one, other))]
    unpaired = paired.paired(*apart, one.patients)
    assert found.high - found.low < 0.9 * (unpaired.high - unpaired.low)
    assert paired.paired(*boot[::-1], one.patients).p == found.p


def test_the_p_of_a_bootstrapped_difference_counts_sides() -> None:
    values = np.r_[np.full(97, 1.0), [-1.0, 0.0, np.nan]]
    assert paired.paired(values, np.zeros(100), 50).p == pytest.approx(2 * 3 / 100)
    assert paired.paired(np.zeros(9), np.zeros(9), 50).p == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_the_binomial_and_chi_squared_ones(b: int, c: int) -> None:
    one = np.r_[np.ones(b, bool), np.zeros(c, bool), np.ones(5, bool), np.zeros(3, bool)]
    other = np.r_[np.zeros(b, bool), np.ones(c, bool), np.ones(5, bool), np.zeros(3, bool)]
    found = mcnemar(one, other)
    assert (found.first, found.second) == (b, c)
    if b + c == 0:
        assert found.exact == found.corrected == 1
        return
    assert found.exact == pytest.approx(binomtest(b, b + c, 0.5).pvalue)
    statistic = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    assert found.corrected == pytest.approx(chi2.sf(statistic, 1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=7))
def test_holm_rejects_what_stepping_down_rejects(p: list[float]) -> None:
    adjusted = holm(np.array(p))
    for alpha in (*p, *(v * len(p) for v in p), 0.05):
        if alpha >= 1:
            continue
        rejected = np.zeros(len(p), bool)
        for step, i in enumerate(np.argsort(p, kind="stable")):
            if p[i] * (len(p) - step) > alpha:
                break
            rejected[i] = True
        assert ((adjusted <= alpha) == rejected).all()
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()


def test_a_test_that_stops_early_agrees_and_draws_less(monkeypatch) -> None:
    calls = []
    measure = Scored.measure

    def counted(self, wanted=None):
        inner = measure(self, wanted)
        return lambda counts: calls.append(counts.shape[1]) or inner(counts)

    one, other = models(2, 2000, 400)
    full = permutation(one, other, "auroc", resamples=4000)
    monkeypatch.setattr(Scored, "measure", counted)
    stopped = permutation(one, other, "auroc", resamples=4000, enough=20)
    assert full.p > 0.2
    assert stopped.p == pytest.approx(full.p, rel=0.5)
    assert sum(calls) < 2 * 4000 / 2
    clear = permutation(*models(0, 400, 100, 5.0), "auroc", resamples=99, enough=20)
    assert clear.p == pytest.approx(1 / 100)
