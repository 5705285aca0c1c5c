"""Tests by name: each is of the metrics that it holds for, and refuses others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from featprobe.errors import InputError
from featprobe.stats.delong import delong_test
from featprobe.stats.named import differ
from featprobe.stats.paired import permutation
from tests.stats.test_paired import models
from tests.stats.test_resampling import scored


def test_permutation_is_of_any_metric() -> None:
    one, other = models(0)
    expected = permutation(one, other, "f1")
    assert differ(one, other, "f1") == (expected.difference, expected.p)


def test_delong_is_by_patient_and_of_one_class() -> None:
    one, other = (replace(s, classes=("no", "yes")) for s in models(1))
    expected = delong_test(one.y == 1, one.tries[0][:, 1], other.tries[0][:, 1], one.groups)
    for metric in ("auroc", "auroc:yes"):
        found = differ(one, other, metric, "delong")
        assert found == pytest.approx((expected.difference, expected.p))
    assert found.difference == pytest.approx(
        one.mean(["auroc"])["auroc"] - other.mean(["auroc"])["auroc"]
    )


def test_delong_leaves_out_unknown_labels() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (80, 2)).astype(float)
    y[:20, 1] = np.nan
    one, other = (
        replace(scored(y, rng.random((80, 2)), task="multilabel"), classes=("a", "b"))
        for _ in range(2)
    )
    found = differ(one, other, "auroc:b", "delong")
    known = slice(20, None)
    expected = delong_test(y[known, 1] == 1, one.tries[0][known, 1], other.tries[0][known, 1])
    assert found == pytest.approx((expected.difference, expected.p))
    with pytest.raises(InputError, match="of the AUROC of one class: auroc:CLASS, not 'auroc'"):
        differ(one, other, "auroc", "delong")


def test_mcnemar_counts_decisions_over_folds() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 90)
    folds = [np.arange(0, 90, 2), np.arange(1, 90, 2)]
    p = [rng.dirichlet(np.ones(3), 90) + np.eye(3)[y] * gain for gain in (0.6, 0.2)]
    one, other = (scored(y, [s[f] for f in folds], rows=folds) for s in p)
    right = [s.argmax(1) == y for s in p]
    b, c = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    found = differ(one, other, "accuracy", "mcnemar")
    assert found.p == pytest.approx(binomtest(b, b + c).pvalue)
    assert found.difference == pytest.approx((b - c) / 90)


def test_a_test_that_does_not_hold_is_refused() -> None:
    one, other = models(0)
    many = [replace(s, tries=[s.tries[0]] * 2) for s in (one, other)]
    with pytest.raises(InputError, match="patients have several items"):
        differ(one, other, "accuracy", "mcnemar")
    with pytest.raises(InputError, match="of the accuracy of classes, not 'auroc'"):
        differ(one, other, "auroc", "mcnemar")
    with pytest.raises(InputError, match="not of a mean over tries"):
        differ(*many, "auroc", "delong")
    with pytest.raises(InputError, match="not 'f1'"):
        differ(one, other, "f1", "delong")
    with pytest.raises(InputError, match="unknown test 'wilcoxon': use one of permutation"):
        differ(one, other, "f1", "wilcoxon")
