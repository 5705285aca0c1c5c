"""The patient-clustered bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe import stats


def test_groups_are_drawn_whole_and_as_many_as_there_are() -> None:
    groups = np.array(["a", "b", "b", "c", "c", "c"])
    blocks = list(stats.cluster_weights(groups, 500, np.random.default_rng(0)))
    weights = np.concatenate(blocks)
    assert weights.shape == (500, 6)
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    assert weights[:, 0].std() > 0


def correlated(rng: np.random.Generator, patients: int = 40, each: int = 8):
    """Per-sample correctness that is nearly constant within a patient, at a known mean of 0.7."""
    rate = rng.beta(0.7, 0.3, patients)
    right = rng.random((patients, each)) < rate[:, None]
    return right.ravel(), np.repeat(np.arange(patients), each)


def scores_of(right: np.ndarray) -> np.ndarray:
    return np.stack([np.where(right, 0.2, 0.8), np.where(right, 0.8, 0.2)], axis=1)


def covers(clustered: bool, trials: int = 150) -> float:
    """Share of simulated studies whose 95 % interval of accuracy holds the true 0.7."""
    hits = 0
    for t in range(trials):
        right, groups = correlated(np.random.default_rng(t))
        y = np.ones(len(right), int)
        y[0] = 0  # both classes occur; the accuracy is what is looked at
        p = scores_of(np.where(y == 1, right, ~right))
        who = groups if clustered else np.arange(len(right))
        boot = stats.bootstrap("multiclass", y, [p], who, resamples=200, seed=t)
        low, high = stats.interval(boot["accuracy"])
        hits += low <= 0.7 <= high
    return hits / trials


def test_clustered_intervals_cover_where_unclustered_ones_fail() -> None:
    assert covers(clustered=True) >= 0.90
    assert covers(clustered=False) < 0.75


def test_copies_of_a_patients_images_do_not_narrow_the_interval() -> None:
    right, groups = correlated(np.random.default_rng(1), 30, 2)
    y = np.arange(len(right)) % 2
    p = scores_of(np.where(y == 1, right, ~right))
    once = stats.interval(stats.bootstrap("multiclass", y, [p], groups, seed=0)["accuracy"])
    tiled = stats.interval(
        stats.bootstrap(
            "multiclass", np.tile(y, 5), [np.tile(p, (5, 1))], np.tile(groups, 5), seed=0
        )["accuracy"]
    )
    assert tiled == pytest.approx(once, abs=1e-12)


def test_the_interval_of_a_mean_over_tries_is_not_a_bootstrap_of_tries() -> None:
    """Ten identical tries say nothing more about patients than one (trap 8: nested bootstraps)."""
    right, groups = correlated(np.random.default_rng(2), 30, 2)
    y = np.arange(len(right)) % 2
    p = scores_of(np.where(y == 1, right, ~right))
    one = stats.interval(stats.bootstrap("multiclass", y, [p], groups, seed=3)["accuracy"])
    ten = stats.interval(stats.bootstrap("multiclass", y, [p] * 10, groups, seed=3)["accuracy"])
    assert ten == pytest.approx(one)


def test_resamples_without_a_value_are_left_out() -> None:
    assert stats.interval(np.array([np.nan, 0.0, 1.0]), 1.0) == (0.0, 1.0)
    assert np.isnan(stats.interval(np.array([np.nan]))[0])
