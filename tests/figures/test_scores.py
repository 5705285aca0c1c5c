"""Curves against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_curve,
)

from featprobe.core.errors import InputError, UnknownName
from featprobe.figures import scores as module
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.confusion import confusion


def scored(n: int = 300, k: int = 2, digits: int = 3, tries: int = 1, seed: int = 0) -> ItemScores:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % k)
    logit = 1.2 * np.eye(k)[y] + rng.normal(size=(tries, n, k))
    p = (np.exp(logit) / np.exp(logit).sum(2, keepdims=True)).round(digits)
    groups = np.array([f"p{i % 90}" for i in range(n)])
    names = tuple("abcdef"[:k])
    return ItemScores("multiclass", np.arange(n).astype(str), y, groups, list(p), None, names)


@pytest.mark.parametrize("digits", [6, 1])
def test_a_roc_is_scikit_learns(digits: int) -> None:
    of = scored(digits=digits)
    fpr, tpr, _ = roc_curve(of.y == 1, of.tries[0][:, 1], drop_intermediate=False)
    found = module.roc(of, resamples=50)
    for x, y in zip(found.x, found.y):
        expected = tpr[fpr == x].max() if (fpr == x).any() else np.interp(x, fpr, tpr)
        assert y == pytest.approx(expected)
    assert (found.low <= found.y + 0.03).all()
    assert (found.high >= found.y - 0.03).all()
    assert (np.diff(found.y) >= -1e-12).all()


@pytest.mark.parametrize("digits", [6, 1])
def test_precision_at_a_recall_is_that_of_scikit_learns_thresholds(digits: int) -> None:
    of = scored(digits=digits)
    truth, p = of.y == 1, of.tries[0][:, 1]
    precision, recall, _ = precision_recall_curve(truth, p)
    found = module.precision_recall(of, resamples=0)
    for x, y in zip(found.x[1:], found.y[1:]):
        first = np.flatnonzero(recall[:-1] >= x - 1e-12).max()  # the highest threshold
        assert y == pytest.approx(precision[first])
    area = np.mean(found.y[1:])  # a step function: its mean over recalls is the average precision
    assert area == pytest.approx(average_precision_score(truth, p), abs=0.01)
    assert np.isnan(found.low).all()


def test_of_several_classes_it_is_the_mean_and_of_one_its_own() -> None:
    of = scored(k=3, tries=2)
    each = [module.roc(of, c, resamples=0).y for c in of.classes]
    np.testing.assert_allclose(module.roc(of, resamples=0).y, np.mean(each, axis=0))
    one = ItemScores("multiclass", of.ids, of.y, of.groups, of.tries[:1], None, of.classes)
    two = ItemScores("multiclass", of.ids, of.y, of.groups, of.tries[1:], None, of.classes)
    both = [module.roc(s, "b", resamples=0).y for s in (one, two)]
    np.testing.assert_allclose(each[1], np.mean(both, axis=0))
    with pytest.raises(UnknownName, match="no class 'd'.* There: a, b, c"):
        module.roc(of, "d")


def test_unknown_labels_are_left_out_and_a_label_without_positives_too() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (80, 3)).astype(float)
    y[:20, 0], y[:, 2] = np.nan, 0
    p = rng.uniform(size=(80, 3))
    of = ItemScores("multilabel", np.arange(80), y, np.arange(80), [p], None, ("a", "b", "c"))
    known = ItemScores(
        "multilabel", of.ids[20:], y[20:], of.groups[20:], [p[20:]], None, of.classes
    )
    for made in (module.roc, module.precision_recall):
        np.testing.assert_allclose(
            made(of, "a", resamples=0).y, made(known, "a", resamples=0).y
        )  # fmt: skip
        assert np.isnan(made(of, "c", resamples=20).low).all()
        assert not np.isnan(made(of, resamples=20).y).any()


def test_calibration_is_scikit_learns_in_the_bins_of_the_ece() -> None:
    of = scored(digits=6)
    found = module.calibration(of, resamples=50)
    y, x = calibration_curve(of.y == 1, of.tries[0][:, 1], n_bins=15)
    np.testing.assert_allclose(found.x, x)
    np.testing.assert_allclose(found.y, y)
    assert found.weight.sum() == pytest.approx(1)
    several = scored(k=4)
    found = module.calibration(several, resamples=0)
    gap = np.abs(found.x - found.y) @ found.weight
    assert gap == pytest.approx(several.mean(["ece"])["ece"])


def test_confusion_is_scikit_learns_over_tries_and_folds() -> None:
    of = scored(k=3, tries=2)
    each = [confusion_matrix(of.y, p.argmax(1)) for p in of.tries]
    np.testing.assert_allclose(confusion(of), np.mean(each, axis=0))
    rows = [np.arange(0, 150), np.arange(150, 300)]
    folds = ItemScores(
        "multiclass", of.ids, of.y, of.groups, [of.tries[0][r] for r in rows], rows, of.classes
    )
    np.testing.assert_allclose(confusion(folds), each[0])
    labels = np.eye(3)[of.y]
    many = ItemScores("multilabel", of.ids, labels, of.groups, [of.tries[0]], None, of.classes)
    for c, found in enumerate(confusion(many)):
        np.testing.assert_allclose(
            found, confusion_matrix(labels[:, c], of.tries[0][:, c] >= 0.5)
        )  # fmt: skip


def test_a_regression_has_none_of_it() -> None:
    of = ItemScores("regression", np.arange(4), np.arange(4.0), np.arange(4), [np.zeros((4, 1))])
    for make in (module.roc, module.precision_recall, module.calibration, confusion):
        with pytest.raises(InputError, match="regression has neither ROC"):
            make(of)
