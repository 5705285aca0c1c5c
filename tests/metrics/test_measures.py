"""Metrics against scikit-learn's and SciPy's, for whole samples and for bootstrap weights."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.metrics import measures as metrics


def problem(
    task: str, seed: int, n: int = 80, classes: int = 4, present: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and rounded (so: tied) scores."""
    rng = np.random.default_rng(seed)
    if task == "regression":
        y = rng.normal(50, 3, n).round(1)
        return y, (y + rng.normal(0, 4, n)).round()[:, None]
    if task == "segmentation":
        p = rng.integers(0, 9, (n, classes, 8)) / 8
        p[rng.random((n, classes)) < 0.2, :5] = np.nan  # a class that a case lacks
        return rng.integers(0, 90, (n, classes)), p.reshape(n, -1)
    p = rng.dirichlet(np.ones(classes), n).round(2)
    if task == "multilabel":
        y = rng.integers(0, 2, (n, classes)).astype(float)
        y[rng.random((n, classes)) < 0.2] = np.nan
        return y, p
    y = rng.integers(0, present or classes, n)
    p[np.arange(n), y] += 0.3 * rng.random(n).round(1)
    return y, p / p.sum(1, keepdims=True)


def best_sensitivity(truth: np.ndarray, score: np.ndarray) -> float:
    """By the definition, over all thresholds of scikit-learn's curve."""
    fpr, tpr, _ = sk.roc_curve(truth, score, drop_intermediate=False)
    return float(tpr[1 - fpr >= 0.95 - 1e-12].max())


def best_specificity(truth: np.ndarray, score: np.ndarray) -> float:
    fpr, tpr, _ = sk.roc_curve(truth, score, drop_intermediate=False)
    return float((1 - fpr)[tpr >= 0.95 - 1e-12].max())


def calibration_error(right: np.ndarray, said: np.ndarray, bins: int = 15) -> float:
    """The definition of Guo et al. 2017, bin by bin."""
    total = 0.0
    for b in range(bins):
        inside = (said > b / bins) & (said <= (b + 1) / bins)
        inside |= (said == 0) & (b == 0)
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - said[inside].mean())
    return total / len(said)


BINARY = {
    "auroc": sk.roc_auc_score,
    "ap": sk.average_precision_score,
    "sens_at_95spec": best_sensitivity,
    "spec_at_95sens": best_specificity,
}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.booleans())
def test_metrics_of_classes_equal_sklearn(seed: int, classes: int, missing: bool) -> None:
    y, p = problem("ordinal", seed, classes=classes, present=max(2, classes - missing))
    guess = p.argmax(1)
    expected = {
        name: np.mean([of(y == c, p[:, c]) for c in range(classes) if (y == c).any()])
        for name, of in BINARY.items()
    }
    error = ((p - np.eye(classes)[y]) ** 2).sum(1).mean()
    expected |= {
        "accuracy": sk.accuracy_score(y, guess),
        "balanced_accuracy": sk.recall_score(y, guess, labels=np.unique(y), average="macro"),
        "f1": sk.f1_score(y, guess, average="macro"),
        "kappa": sk.cohen_kappa_score(y, guess),
        "quadratic_kappa": sk.cohen_kappa_score(
            y, guess, weights="quadratic", labels=range(classes)
        ),
        "ece": calibration_error(y == guess, p.max(1)),
        "brier": sk.brier_score_loss(y, p, labels=range(classes)) if classes > 2 else error / 2,
    }
    expected |= {
        f"{name}{'_weighted' * (how == 'weighted')}": of(y, guess, average=how, zero_division=0)
        for name, of in (("precision", sk.precision_score), ("recall", sk.recall_score))
        for how in ("macro", "weighted")
    }
    expected["f1_weighted"] = sk.f1_score(y, guess, average="weighted")
    found = metrics.compute("ordinal", y, p)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, abs=1e-12), name


def test_the_brier_score_of_two_classes_is_the_binary_one() -> None:
    y, p = problem("multiclass", 3, classes=2)
    expected = sk.brier_score_loss(y, p[:, 1])
    assert metrics.compute("multiclass", y, p)["brier"][0] == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_metrics_of_labels_equal_sklearn_over_the_known_ones(seed: int) -> None:
    y, p = problem("multilabel", seed, 150)
    labels = [
        (y[k, c], p[k, c], p[k, c] >= 0.5) for c, k in enumerate(~np.isnan(y).T)
    ]  # of each label: truth, score, decision
    expected = {name: np.mean([of(t, s) for t, s, _ in labels]) for name, of in BINARY.items()}
    expected |= {
        "accuracy": np.mean([sk.accuracy_score(t, d) for t, _, d in labels]),
        "balanced_accuracy": np.mean([sk.balanced_accuracy_score(t, d) for t, _, d in labels]),
        "f1": np.mean([sk.f1_score(t, d) for t, _, d in labels]),
        "ece": np.mean([calibration_error(t, s) for t, s, _ in labels]),
        "brier": np.mean([sk.brier_score_loss(t, s) for t, s, _ in labels]),
    }
    often = [t.sum() for t, _, _ in labels]
    for name, of in (("precision", sk.precision_score), ("recall", sk.recall_score)):
        each = [of(t, d, zero_division=0) for t, _, d in labels]
        expected |= {name: np.mean(each), f"{name}_weighted": np.average(each, weights=often)}
    expected["f1_weighted"] = np.average([sk.f1_score(t, d) for t, _, d in labels], weights=often)
    right = np.isnan(y) | ((p >= 0.5) == (y == 1))
    expected["subset_accuracy"] = right.all(1)[~np.isnan(y).all(1)].mean()
    found = metrics.compute("multilabel", y, p)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, abs=1e-12), name


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_metrics_of_numbers_equal_sklearn_and_scipy(seed: int) -> None:
    y, p = problem("regression", seed)
    expected = {
        "r2": sk.r2_score(y, p[:, 0]),
        "mae": sk.mean_absolute_error(y, p[:, 0]),
        "rmse": sk.root_mean_squared_error(y, p[:, 0]),
        "pearson": scipy.stats.pearsonr(y, p[:, 0])[0],
        "spearman": scipy.stats.spearmanr(y, p[:, 0])[0],
    }
    found = metrics.compute("regression", y, p)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, abs=1e-10), name


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(metrics.TASKS)))
def test_weights_equal_repeating_the_samples(seed: int, task: str) -> None:
    y, p = problem(task, seed, 60, 3)
    weights = np.random.default_rng(seed).integers(0, 4, (3, 60))
    weighted = metrics.compute(task, y, p, weights, classes="abc")
    for b, counts in enumerate(weights):
        rows = np.repeat(np.arange(60), counts)
        plain = metrics.compute(task, y[rows], p[rows], classes="abc")
        for name in weighted:
            assert weighted[name][b] == pytest.approx(plain[name][0], nan_ok=True), name


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(metrics.TASKS)))
def test_samples_of_a_group_count_as_often_as_the_group(seed: int, task: str) -> None:
    y, p = problem(task, seed, 60, 3)
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 7, 60)
    counts = rng.integers(0, 3, (7, 4)).astype(float)
    together = metrics.Measure(task, y, p, code, 7)(counts)
    alone = metrics.compute(task, y, p, counts[code].T)
    for name, value in alone.items():
        np.testing.assert_allclose(together[name], value, atol=1e-12, err_msg=name)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(metrics.TASKS)))
def test_the_order_of_samples_does_not_matter(seed: int, task: str) -> None:
    y, p = problem(task, seed, 50, 3)
    order = np.random.default_rng(seed).permutation(50)
    one, other = metrics.compute(task, y, p), metrics.compute(task, y[order], p[order])
    for name in one:
        assert one[name][0] == pytest.approx(other[name][0], abs=1e-9, nan_ok=True), name


def test_the_order_of_classes_does_not_matter() -> None:
    y, p = problem("multiclass", 0)
    p += 1e-6 * np.random.default_rng(0).random(p.shape)  # of tied scores the first class decides
    order = np.array([2, 0, 3, 1])
    one = metrics.compute("multiclass", y, p)
    other = metrics.compute("multiclass", np.argsort(order)[y], p[:, order])
    for name in one:
        assert one[name][0] == pytest.approx(other[name][0]), name


def test_single_classes_go_by_their_names() -> None:
    y, p = problem("multilabel", 1)
    names = ["mass", "edema", "a:b", "fluid"]
    found = metrics.compute("multilabel", y, p, classes=names)
    known = ~np.isnan(y[:, 2])
    assert found["ap:a:b"][0] == pytest.approx(sk.average_precision_score(y[known, 2], p[known, 2]))
    assert found["f1"][0] == pytest.approx(np.mean([found[f"f1:{n}"][0] for n in names]))
    one = metrics.compute("multilabel", y, p, wanted=["auroc:edema"], classes=names)
    assert one == {"auroc:edema": found["auroc:edema"]}
    with pytest.raises(InputError, match="no metric 'auroc:oedema'. Did you mean 'edema'"):
        metrics.compute("multilabel", y, p, wanted=["auroc:oedema"], classes=names)


def test_only_what_is_wanted_is_computed() -> None:
    y, p = problem("multiclass", 2)
    every = metrics.compute("multiclass", y, p)
    for name in every:
        assert metrics.compute("multiclass", y, p, wanted=[name]) == {name: every[name]}


def test_a_class_absent_from_test_leaves_the_metrics_defined() -> None:
    y = np.array([0, 0, 1, 1, 1])
    p = np.array(
        [[0.8, 0.1, 0.1], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1]]
    )
    found = metrics.compute("multiclass", y, p, classes=["a", "b", "c"])
    areas = [sk.roc_auc_score(y == c, p[:, c]) for c in (0, 1)]
    assert found["auroc"][0] == pytest.approx(np.mean(areas))
    assert found["balanced_accuracy"][0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert np.isnan(found["auroc:c"][0])


def test_one_class_only_has_no_curve_and_no_agreement_beyond_chance() -> None:
    found = metrics.compute("multiclass", np.zeros(4, int), np.tile([0.6, 0.4], (4, 1)))
    undefined = {n for n, v in found.items() if np.isnan(v[0])}
    assert undefined == {"auroc", "kappa", "sens_at_95spec", "spec_at_95sens"}
    assert found["accuracy"][0] == found["ap"][0] == 1


def test_a_label_that_nobody_knows_is_left_out() -> None:
    y, p = problem("multilabel", 5)
    y[:, 1] = np.nan
    rest = [0, 2, 3]
    one, other = (metrics.compute("multilabel", y[:, c], p[:, c]) for c in ([0, 1, 2, 3], rest))
    assert {n: v[0] for n, v in one.items()} == pytest.approx({n: v[0] for n, v in other.items()})


def test_constant_numbers_have_no_correlation_and_no_r2() -> None:
    y, p = problem("regression", 0)
    flat = metrics.compute("regression", y, np.full((len(y), 1), 1e6 + 0.1))
    assert np.isnan([flat["pearson"][0], flat["spearman"][0]]).all()
    alike = metrics.compute("regression", np.full(len(y), 0.1), p)
    assert np.isnan([alike[n][0] for n in ("r2", "pearson", "spearman")]).all()


def test_auroc_comes_from_scores_not_from_decisions() -> None:
    y = np.array([0, 0, 1, 1])
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])  # every decision says class 0
    found = metrics.compute("multiclass", y, p)
    assert found["auroc"][0] == found["ap"][0] == 1
    assert found["accuracy"][0] == 0.5


def test_chance_says_the_most_frequent_class_and_ranks_nothing() -> None:
    found = metrics.chance("multiclass", np.array([0, 0, 0, 1]), 2)
    assert found["accuracy"] == 0.75
    assert found["auroc"] == found["balanced_accuracy"] == 0.5
    assert found["kappa"] == found["ece"] == found["sens_at_95spec"] == 0
    assert found["f1"] == pytest.approx(0.75 * 2 / 1.75 / 2)
    assert found["ap"] == 0.5  # the mean of 0.75 and 0.25
    assert found["brier"] == pytest.approx(0.75 * 0.25)


def test_chance_of_labels_says_how_often_each_is_positive() -> None:
    y = np.array([[1.0, 0], [1, 0], [1, np.nan], [0, 1]])
    found = metrics.chance("multilabel", y, 2, ["a", "b"])
    assert found["accuracy"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert found["ap:a"] == 0.75
    assert found["ap:b"] == pytest.approx(1 / 3)
    assert found["auroc"] == found["balanced_accuracy"] == 0.5


def test_chance_of_numbers_is_their_mean() -> None:
    found = metrics.chance("regression", np.array([1.0, 2, 6]), 1)
    assert found["r2"] == pytest.approx(0)
    assert found["mae"] == 2
    assert np.isnan(found["pearson"])


def test_the_first_metric_of_a_task_ranks() -> None:
    ranks = {t: metrics.ranking(t) for t in metrics.TASKS}
    assert ranks == {
        "multiclass": "auroc", "multilabel": "auroc", "ordinal": "quadratic_kappa",
        "regression": "r2", "segmentation": "dice",
    }  # fmt: skip
    assert {n for n, m in metrics.METRICS.items() if not m.higher} == {
        "ece", "brier", "mae", "rmse", "hd95", "asd", "volume_error",
    }  # fmt: skip


def test_unknown_tasks_and_metrics_are_refused() -> None:
    with pytest.raises(InputError, match="no metrics for task 'survival'"):
        metrics.compute("survival", np.zeros(2), np.zeros((2, 1)))
    with pytest.raises(InputError, match="no metric 'auorc'. Did you mean 'auroc'"):
        metrics.about("auorc")
    with pytest.raises(InputError, match="regression has no auroc; it has r2"):
        metrics.compute("regression", np.zeros(2), np.zeros((2, 1)), wanted=["auroc"])
