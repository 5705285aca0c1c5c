"""What patients are worth, against formulas for metrics that have one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featprobe.stats import influence as module
from featprobe.stats.delong import delong
from featprobe.stats.influence import influence
from tests.stats.models import models


def test_of_a_mean_over_items_it_is_each_patients_part() -> None:
    (one,) = models(np.random.default_rng(0), 1, 30, 4)
    right = (one.tries[0].argmax(1) == one.y).astype(float)
    found = influence([one], "accuracy")
    expected = np.bincount(one.code, right - right.mean()) / len(right)
    assert found.value == pytest.approx([right.mean()])
    np.testing.assert_allclose(found.units[:, 0], expected, atol=0.002 / 30)
    assert found.units.sum(0) == pytest.approx([0], abs=1e-12)


@pytest.mark.parametrize("each", [1, 4])
def test_of_areas_it_gives_delongs_covariance_by_patient(each: int) -> None:
    scored = models(np.random.default_rng(1), 3, 150, each)
    found = influence(scored, "auroc")
    ours = found.units.T @ found.units * 150 / 149
    scores = np.stack([s.tries[0][:, 1] for s in scored])
    area, covariance = delong(scored[0].y == 1, scores, scored[0].groups)
    assert found.value == pytest.approx(area)
    np.testing.assert_allclose(ours, covariance, rtol=0.06)


def test_scales_of_scores_do_not_matter_where_ranks_count() -> None:
    one, other = models(np.random.default_rng(2), 2, 40)
    expected = influence([one, other], "auroc")
    for change in (lambda p: p**9, lambda p: 1e-3 * p, lambda p: 5 + np.exp(20 * p)):
        found = influence([one, replace(other, tries=[change(other.tries[0])])], "auroc")
        np.testing.assert_allclose(found.units, expected.units, atol=1e-12)


def test_the_only_positive_patient_has_an_influence() -> None:
    (one,) = models(np.random.default_rng(3), 1, 20)
    one = replace(one, y=(np.arange(20) == 4).astype(int))
    assert np.isfinite(influence([one], "auroc").units).all()


def test_many_patients_are_joined_without_changing_the_variance(monkeypatch) -> None:
    scored = models(np.random.default_rng(4), 1, 3000)
    every = np.square(influence(scored, "accuracy").units).sum()
    assert len(influence(scored, "accuracy").units) == module.UNITS
    monkeypatch.setattr(module, "UNITS", 5000)
    assert np.square(influence(scored, "accuracy").units).sum() == pytest.approx(every, rel=0.2)


def test_tries_are_kept_apart_and_folds_are_not() -> None:
    few, one = (models(np.random.default_rng(5), 2, 30, tries=t) for t in (4, 1))
    assert influence(few, "auroc").tries.shape == (4, 2)
    folds = [np.arange(0, 30, 2), np.arange(1, 30, 2)]
    split = [replace(s, tries=[s.tries[0][f] for f in folds], rows=folds) for s in one]
    assert influence(split, "auroc").tries.shape == (1, 2)


def test_repeats_that_test_other_patients_are_tries_and_hold_them() -> None:
    """The corrected resampled t test of Nadeau and Bengio."""
    from scipy.stats import t as student

    from featprobe.stats.maxt import together

    rng, each = np.random.default_rng(6), 10
    both = models(rng, 2, 60, tries=each, better=[0.4])
    rows = [np.sort(rng.permutation(60)[:20]) for _ in range(each)]
    both = [replace(s, tries=[p[r] for p, r in zip(s.tries, rows)], rows=rows) for s in both]
    of = influence(both, "accuracy", shared=0.25)
    assert of.fixed
    assert of.tries.shape == (each, 2)
    found = together(of, [(0, 1)], resamples=20_000)
    apart = of.tries[:, 0] - of.tries[:, 1]
    error = np.sqrt(apart.var(ddof=1) * (1 / each + 0.25))
    assert found.error[0] == pytest.approx(error)
    expected = 2 * student.sf(abs(apart.mean()) / error, each - 1)
    assert found.p[0] == pytest.approx(expected, abs=0.015)
