"""Confusion matrices against scikit-learn's, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.confusion import confusion_matrix
from featprobe.stats.intervals import share
from featprobe.stats.score import reach, wilson


def scored(y, p, each=1, task="multiclass") -> ItemScores:
    n = len(y)
    return ItemScores(task, np.arange(n).astype(str), y, (np.arange(n) // each).astype(str), [p])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 30))
def test_shares_are_scikit_learns_also_without_a_class(seed, classes, n) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, rng.integers(1, classes + 1), n), rng.random((n, classes)).round(1)
    found = confusion_matrix(scored(y, p), resamples=20)
    names = range(classes)
    np.testing.assert_array_equal(found.counts, sk.confusion_matrix(y, p.argmax(1), labels=names))
    there = np.isin(names, y)
    expected = sk.confusion_matrix(y, p.argmax(1), labels=names, normalize="true")
    np.testing.assert_allclose(found.share[there], expected[there])
    assert np.isnan(found.share[~there]).all()
    assert np.isnan(found.low[~there]).all()
    some = ~np.isnan(found.low)
    assert (found.low[some] <= found.share[some]).all()
    assert (found.share[some] <= found.high[some]).all()
    assert some.any() == (n >= 10)


def test_labels_are_tables_of_what_is_known() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, (60, 2)).astype(float)
    y[:9, 1] = np.nan
    p = rng.random((60, 2))
    found = confusion_matrix(scored(y, p, task="multilabel"), resamples=30)
    for c in range(2):
        k = ~np.isnan(y[:, c])
        np.testing.assert_array_equal(found.counts[c], sk.confusion_matrix(y[k, c], p[k, c] >= 0.5))


def test_a_row_without_errors_has_wilsons_interval_of_its_patients() -> None:
    y = np.repeat([0, 1], 30)
    found = confusion_matrix(scored(y, np.eye(2)[y]), resamples=50)
    low, high = wilson(1.0, 30, reach(59))
    assert found.low[0, 0] == pytest.approx(low)
    assert found.high[0, 0] == high == 1
    assert found.high[0, 1] == pytest.approx(1 - low)


def test_items_of_one_patient_that_fall_together_count_as_one() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, 40), 5)
    wrong = np.repeat(rng.random(40) < 0.3, 5)
    p = np.eye(2)[np.where(wrong, 1 - y, y)]
    together = confusion_matrix(scored(y, p, each=5), resamples=300)
    apart = confusion_matrix(scored(y, p), resamples=300)
    width = [f.high[0, 0] - f.low[0, 0] for f in (together, apart)]
    assert width[0] > 1.7 * width[1]


def test_values_have_none() -> None:
    of = ItemScores("regression", np.arange(3).astype(str), np.arange(3.0),
                    np.arange(3).astype(str), [np.zeros((3, 1))])  # fmt: skip
    with pytest.raises(InputError, match="regression has neither"):
        confusion_matrix(of)


def test_a_share_of_the_row_holds_the_truth() -> None:
    rng, held, runs = np.random.default_rng(9), 0, 200
    for _ in range(runs):
        y = rng.integers(0, 3, 60)
        hit = rng.random(60) < 0.8
        p = np.eye(3)[np.where(hit, y, (y + 1) % 3)]
        found = confusion_matrix(scored(y, p), resamples=100)
        held += found.low[0, 0] <= 0.8 <= found.high[0, 0]
    assert held / runs >= 0.92
    assert np.isnan(share(0.5, np.array([0.5]), 5)).all()
