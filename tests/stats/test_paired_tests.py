"""Tests by name: each is of the metrics that it holds for, and refuses others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, t

from featprobe.core.errors import InputError
from featprobe.stats.delong import delong_test
from featprobe.stats.influence import influence
from featprobe.stats.maxt import together
from featprobe.stats.paired_tests import differ
from tests.stats.models import models
from tests.stats.test_maxt import check, every
from tests.stats.test_resampling import scored

ONE = [(0, 1)]


def pair(seed: int, patients: int = 40, each: int = 1):
    return models(np.random.default_rng(seed), 2, patients, each)


def test_permutation_is_of_any_metric() -> None:
    both = pair(0)
    expected = together(influence(both, "f1"), ONE)
    found = differ(both, "f1", ONE)
    assert (found.difference, found.p, found.low) == (
        expected.difference, expected.p, expected.low,
    )  # fmt: skip


def test_delong_is_by_patient_and_of_one_class() -> None:
    one, other = (replace(s, classes=("no", "yes")) for s in pair(1, 40, 3))
    positive = one.y == 1
    expected = delong_test(positive, one.tries[0][:, 1], other.tries[0][:, 1], one.groups)
    freedom = min(len(np.unique(one.groups[k])) for k in (positive, ~positive)) - 1
    p = 2 * t.sf(abs(expected.difference) / expected.error, freedom)
    for metric in ("auroc", "auroc:yes"):
        found = differ([one, other], metric, ONE, "delong")
        assert found.difference[0] == pytest.approx(expected.difference)
        assert found.error[0] == pytest.approx(expected.error)
        assert found.p[0] == found.joint_p[0] == pytest.approx(p)
    assert p > expected.p  # with few positives the normal one is too small


@pytest.mark.parametrize("test", ["delong", "mcnemar", "permutation"])
def test_intervals_and_p_of_a_family_agree(test: str) -> None:
    metric = "accuracy" if test == "mcnemar" else "auroc"
    found_any = False
    for seed in range(10):
        many = models(np.random.default_rng(seed), 5, 60, better=[2.0, 1.0])
        found = differ(many, metric, every(5), test, resamples=199)
        check(found)
        found_any |= bool((found.joint_p < 0.05).any())
    assert found_any


def test_the_family_of_delong_knows_that_pairs_share_models() -> None:
    many = models(np.random.default_rng(3), 6, 200)
    found = differ(many, "auroc", every(6), "delong")
    assert (found.joint_p <= np.minimum(1, 15 * found.p) + 0.01).all()
    assert (found.joint_p >= found.p).all()
    same = differ([many[0], many[0], many[1]], "auroc", every(3), "delong")
    assert (same.p[0], same.difference[0]) == (1, 0)
    assert np.isnan(same.low[0])


def test_delong_leaves_out_unknown_labels() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (80, 2)).astype(float)
    y[:20, 1] = np.nan
    one, other = (
        replace(scored(y, rng.random((80, 2)), task="multilabel"), classes=("a", "b"))
        for _ in range(2)
    )
    found = differ([one, other], "auroc:b", ONE, "delong")
    known = slice(20, None)
    expected = delong_test(y[known, 1] == 1, one.tries[0][known, 1], other.tries[0][known, 1])
    assert (found.difference[0], found.error[0]) == pytest.approx(expected[:2])
    with pytest.raises(InputError, match="of the AUROC of one class: auroc:CLASS, not 'auroc'"):
        differ([one, other], "auroc", ONE, "delong")


def test_mcnemar_counts_decisions_over_folds() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 90)
    folds = [np.arange(0, 90, 2), np.arange(1, 90, 2)]
    p = [rng.dirichlet(np.ones(3), 90) + np.eye(3)[y] * gain for gain in (0.6, 0.2)]
    both = [scored(y, [s[f] for f in folds], rows=folds) for s in p]
    right = [s.argmax(1) == y for s in p]
    b, c = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    found = differ(both, "accuracy", ONE, "mcnemar")
    assert found.p[0] == pytest.approx(binomtest(b, b + c).pvalue)
    assert found.difference[0] == pytest.approx((b - c) / 90)


def test_a_test_that_does_not_hold_is_refused() -> None:
    one, other = pair(0, 20, 2)
    both, many = [one, other], [replace(s, tries=[s.tries[0]] * 2) for s in (one, other)]
    with pytest.raises(InputError, match="patients have several items"):
        differ(both, "accuracy", ONE, "mcnemar")
    with pytest.raises(InputError, match="of the accuracy of classes, not 'auroc'"):
        differ(both, "auroc", ONE, "mcnemar")
    with pytest.raises(InputError, match="not of a mean over tries"):
        differ(many, "auroc", ONE, "delong")
    with pytest.raises(InputError, match="not 'f1'"):
        differ(both, "f1", ONE, "delong")
    with pytest.raises(InputError, match="unknown test 'wilcoxon': use one of permutation"):
        differ(both, "f1", ONE, "wilcoxon")


def test_other_items_or_tries_are_refused() -> None:
    one, other = pair(0)
    more = replace(one, tries=[one.tries[0]] * 2)
    for wrong in (more, other.only(np.arange(40) > 0)):
        with pytest.raises(InputError, match="the same items, in the same tries"):
            differ([one, wrong], "auroc", ONE)
