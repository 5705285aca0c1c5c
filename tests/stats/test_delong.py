"""DeLong's variance against its definition, enumerated pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from featprobe.core.errors import InputError
from featprobe.stats.delong import delong, delong_test


def kernel(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """(positives, negatives): 1 where the positive wins, 1/2 for a tie."""
    high, low = score[positive][:, None], score[~positive]
    return (high > low) + 0.5 * (high == low)


def definition(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """S10 / m + S01 / n, the sample covariances of the structural components."""
    wins = [kernel(positive, s) for s in scores]
    v10, v01 = np.array([w.mean(1) for w in wins]), np.array([w.mean(0) for w in wins])
    m, n = wins[0].shape
    return np.cov(v10) / m + np.cov(v01) / n


def clustered(positive: np.ndarray, score: np.ndarray, groups: np.ndarray) -> float:
    """Obuchowski's variance, cluster by cluster."""
    wins = kernel(positive, score)
    v10, v01, area = wins.mean(1), wins.mean(0), wins.mean()
    m, n = wins.shape
    s10 = s01 = s11 = 0.0
    names = np.unique(groups)
    with_pos = with_neg = 0
    for g in names:
        x, y = v10[groups[positive] == g], v01[groups[~positive] == g]
        with_pos += len(x) > 0
        with_neg += len(y) > 0
        dx, dy = x.sum() - len(x) * area, y.sum() - len(y) * area
        s10, s01, s11 = s10 + dx**2, s01 + dy**2, s11 + dx * dy
    s10 *= with_pos / ((with_pos - 1) * m)
    s01 *= with_neg / ((with_neg - 1) * n)
    s11 *= len(names) / (len(names) - 1)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def samples(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.permutation(n) < n // 3
    return positive, (positive + rng.normal(size=(3, n))).round(1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_areas_and_covariance_equal_the_definition(seed: int) -> None:
    positive, scores = samples(seed)
    area, covariance = delong(positive, scores)
    np.testing.assert_allclose(area, [roc_auc_score(positive, s) for s in scores])
    np.testing.assert_allclose(covariance, definition(positive, scores), atol=1e-14)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_clustered_variance_equals_obuchowskis_sums(seed: int) -> None:
    positive, scores = samples(seed)
    groups = np.random.default_rng(seed).integers(0, 15, len(positive))
    covariance = delong(positive, scores, groups)[1]
    for i, score in enumerate(scores):
        assert covariance[i, i] == pytest.approx(clustered(positive, score, groups))
    alone = delong(positive, scores, np.arange(len(positive)))[1]
    np.testing.assert_allclose(alone, delong(positive, scores)[1], atol=1e-15)


def test_the_test_is_the_normal_one_of_the_covariance() -> None:
    positive, (one, other, _) = samples(3)
    covariance = definition(positive, np.stack([one, other]))
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = delong_test(positive, one, other)
    difference = roc_auc_score(positive, one) - roc_auc_score(positive, other)
    assert found.difference == pytest.approx(difference)
    assert found.error == pytest.approx(error)
    assert found.p == pytest.approx(2 * norm.sf(abs(difference) / error))
    assert delong_test(positive, other, one).p == pytest.approx(found.p)


def test_models_that_rank_alike_do_not_differ() -> None:
    positive, (one, _, _) = samples(4)
    assert delong_test(positive, one, np.exp(one)) == (0.0, 0.0, 1.0)


def test_by_patient_the_error_is_right_where_by_sample_it_is_too_small() -> None:
    """The spread of the area over simulated studies, against both estimates of it."""
    areas, by_patient, by_sample = [], [], []
    for t in range(300):
        rng = np.random.default_rng(t)
        groups = np.repeat(np.arange(40), 6)
        positive = rng.random(240) < 0.4
        score = positive + 2 * rng.normal(size=40)[groups] * positive + rng.normal(size=240)
        area, variance = delong(positive, score, groups)
        areas.append(area[0])
        by_patient.append(variance[0, 0])
        by_sample.append(delong(positive, score)[1][0, 0])
    true = np.var(areas)
    assert np.mean(by_patient) == pytest.approx(true, rel=0.2)
    assert np.mean(by_sample) < 0.5 * true


def test_too_few_of_a_class_is_told() -> None:
    positive = np.array([True, False, False, False])
    with pytest.raises(InputError, match="two positive and two negative samples; there are 1 and"):
        delong(positive, np.arange(4.0))
    with pytest.raises(InputError, match="patients with such samples; there are 1 and 2"):
        delong(np.array([True, True, False, False]), np.arange(4.0), np.array([0, 0, 1, 2]))
