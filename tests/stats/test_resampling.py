"""The patient-clustered bootstrap and its interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats import resampling
from featprobe.stats.resampling import bootstrap, draws, interval


def scored(y, p, groups=None, task="multiclass", rows=None) -> ItemScores:
    """Scores of items that are their own patients unless ``groups`` says otherwise."""
    ids = np.arange(len(y)).astype(str)
    tries = p if isinstance(p, list) else [p]
    return ItemScores(task, ids, y, ids if groups is None else groups, tries, rows)


def correlated(rng: np.random.Generator, patients: int = 40, each: int = 8):
    """Per-sample correctness that is nearly constant within a patient, at a known mean of 0.7."""
    rate = rng.beta(0.7, 0.3, patients)
    right = rng.random((patients, each)) < rate[:, None]
    return right.ravel(), np.repeat(np.arange(patients), each)


def two_classes(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets of both classes and scores whose decisions are right where they should be."""
    y = np.arange(len(right)) % 2
    second = np.where(right == (y == 1), 0.8, 0.2)
    return y, np.stack([1 - second, second], axis=1)


def test_as_many_patients_are_drawn_as_there_are_whatever_the_block() -> None:
    once = np.concatenate(list(draws(6, 500, np.random.default_rng(0))), axis=1)
    assert once.shape == (6, 500)
    assert (once.sum(0) == 6).all()
    assert once.mean(1) == pytest.approx(np.ones(6), abs=0.15)
    assert once.var(1) == pytest.approx(np.full(6, 5 / 6), abs=0.2)  # multinomial
    blocks = np.concatenate(list(draws(6, 500, np.random.default_rng(0), block=7)), axis=1)
    assert (blocks == once).all()


@pytest.mark.parametrize("patients", [1, 2, 300, 70_000])
def test_the_draws_of_a_seed_stay_what_they_were(patients: int) -> None:
    """Intervals in files that were written before are of the same resamples."""
    drawn = np.random.default_rng(5).integers(0, patients, (9, patients))
    told = np.stack([np.bincount(row, minlength=patients) for row in drawn], axis=1)
    for dtype in (np.uint16, np.float64):
        found = list(draws(patients, 9, np.random.default_rng(5), 4, dtype))
        assert {block.dtype for block in found} == {np.dtype(dtype)}
        np.testing.assert_array_equal(np.concatenate(found, axis=1), told)


def test_blocks_on_several_threads_give_what_one_gives(monkeypatch) -> None:
    rng = np.random.default_rng(2)
    y, p = (rng.random((400, 3)) < 0.2).astype(float), rng.random((400, 3)).round(2)
    y[rng.random(y.shape) < 0.1] = np.nan
    of = scored(y, p, rng.integers(0, 90, 400), "multilabel")
    monkeypatch.setattr(resampling, "_BLOCK", 0)
    alone = bootstrap(of, resamples=100)
    monkeypatch.setattr(resampling, "LARGE", 1)
    monkeypatch.setattr(resampling, "cores", lambda: 3)
    several = bootstrap(of, resamples=100)
    assert several.keys() == alone.keys()
    for name in alone:
        np.testing.assert_array_equal(several[name], alone[name], err_msg=name)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_a_resample_is_the_metric_of_the_drawn_patients(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, groups = rng.integers(0, 2, 90), rng.integers(0, 20, 90)
    groups[:20] = np.arange(20)
    p = rng.random((90, 1)).round(1)
    found = bootstrap(scored(y[:, None], p, groups, "multilabel"), resamples=20, seed=seed)
    counts = np.concatenate(list(draws(20, 20, np.random.default_rng([seed, 0xB007]))), axis=1)
    for b in range(20):
        rows = np.repeat(np.arange(90), counts[groups, b].astype(int))
        if 0 < y[rows].sum() < len(rows):
            assert found["auroc"][b] == pytest.approx(roc_auc_score(y[rows], p[rows, 0]))


def covers(clustered: bool, patients: int = 40, trials: int = 500) -> float:
    """Share of simulated studies whose 95 % interval of accuracy holds the true 0.7."""
    hits = 0
    for t in range(trials):
        right, groups = correlated(np.random.default_rng(t), patients)
        s = scored(*two_classes(right), groups if clustered else None)
        values = bootstrap(s, wanted=["accuracy"], resamples=300, seed=t)["accuracy"]
        low, high = interval(values, s.patients)
        hits += low <= 0.7 <= high
    return hits / trials


@pytest.mark.slow
@pytest.mark.parametrize("patients", [15, 40])
def test_clustered_intervals_cover_where_unclustered_ones_fail(patients: int) -> None:
    assert 0.92 <= covers(True, patients) <= 0.98
    assert covers(False, patients) < 0.75


def test_intervals_of_auroc_cover_with_few_positive_patients() -> None:
    """Binormal scores with a patient effect: the true area is known."""
    true, hits, trials = norm.cdf(1 / math.sqrt(2 * (1 + 1))), 0, 500
    for t in range(trials):
        rng = np.random.default_rng([t, 1])
        groups = np.repeat(np.arange(50), 5)
        positive = (rng.permutation(50) < 12)[groups]
        score = positive + rng.normal(size=50)[groups] + rng.normal(size=250)
        s = scored(positive[:, None].astype(float), score[:, None], groups, "multilabel")
        values = bootstrap(s, wanted=["auroc"], resamples=300, seed=t)["auroc"]
        low, high = interval(values, s.patients)
        hits += low <= true <= high
    assert hits / trials >= 0.92


def test_copies_of_a_patients_images_do_not_narrow_the_interval() -> None:
    right, groups = correlated(np.random.default_rng(1), 30, 2)
    y, p = two_classes(right)
    once = bootstrap(scored(y, p, groups))
    tiled = bootstrap(scored(np.tile(y, 5), np.tile(p, (5, 1)), np.tile(groups, 5)))
    for name in once:
        np.testing.assert_allclose(tiled[name], once[name], atol=1e-12, err_msg=name)


def test_the_interval_of_a_mean_over_tries_is_not_a_bootstrap_of_tries() -> None:
    """Ten identical tries say nothing more about patients than one (trap 8: nested bootstraps)."""
    right, groups = correlated(np.random.default_rng(2), 30, 2)
    y, p = two_classes(right)
    one, ten = (bootstrap(scored(y, [p] * n, groups), seed=3) for n in (1, 10))
    for name in one:
        np.testing.assert_allclose(ten[name], one[name], atol=1e-12, err_msg=name)


def test_folds_are_averaged_over_those_with_a_value() -> None:
    y = np.array([0, 1, 0, 1, 1, 1])
    p = np.stack([1 - np.arange(6) / 6, np.arange(6) / 6], axis=1)
    folds = [np.arange(4), np.array([4, 5])]  # the second has one class, so no AUROC
    s = scored(y, [p[f] for f in folds], rows=folds)
    assert s.mean(["auroc"]) == {"auroc": roc_auc_score(y[:4], p[:4, 1])}
    assert np.isnan(s.values(["auroc"])["auroc"][1])


def test_the_interval_widens_as_the_t_distribution_does() -> None:
    values = np.random.default_rng(0).normal(size=200_000)
    for patients, t in ((5, 2.776), (20, 2.093), (1_000_000, 1.960)):  # quantiles of tables
        low, high = interval(values, patients)
        expected = t * math.sqrt(patients / (patients - 1))
        assert high == pytest.approx(expected, abs=0.1)
        assert low == pytest.approx(-expected, abs=0.1)


def test_resamples_without_a_value_are_left_out() -> None:
    values = np.r_[np.nan, np.arange(100.0)]
    assert interval(values, 1000) == interval(values[1:], 1000)
    assert np.isnan(interval(np.array([np.nan]), 10)).all()
    assert np.isnan(interval(values, 1)).all()
