"""The interval of each metric: references, the end of the scale, few patients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import bootstrap as scipy_bootstrap
from statsmodels.stats.proportion import proportion_confint

from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.delong import delong
from featprobe.stats.intervals import BOUNDS, FEWEST, METHODS, NONE, intervals, share
from featprobe.stats.resampling import bootstrap
from featprobe.stats.score import area_variance, score_interval
from featprobe.stats.support import Support

POINTS = {"sens_at_95spec", "spec_at_95sens"}


def scored(y, p, groups=None, task="multiclass", classes=("no", "yes"), rows=None) -> ItemScores:
    """Scores of items that are their own patients unless ``groups`` says otherwise."""
    ids = np.arange(len(y)).astype(str)
    tries = p if isinstance(p, list) else [p]
    return ItemScores(task, ids, y, ids if groups is None else groups, tries, rows, classes)


def found(s: ItemScores, resamples: int = 400, wanted=None):
    return intervals(s, s.mean(wanted), bootstrap(s, wanted=wanted, resamples=resamples))


def binary(second: np.ndarray) -> np.ndarray:
    return np.stack([1 - second, second], axis=1)


def noisy(seed: int, n: int, shift: float = 1.5, share: float = 0.4) -> tuple:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    y[:2] = 0, 1
    return y, binary(1 / (1 + np.exp(-shift * (rng.normal(size=n) + shift * (y - 0.5)))))


def test_every_metric_has_a_method_and_bounds() -> None:
    assert METHODS.keys() == BOUNDS.keys() == metrics.METRICS.keys()


def test_twenty_items_all_right_are_not_one_point() -> None:
    y = np.arange(20) % 2
    s = scored(y, binary(np.where(y == 1, 0.9, 0.1)))
    ci = found(s).ci
    low, high = ci["auroc"]
    assert 0.75 < low < 0.82
    assert high == 1
    expected = proportion_confint(20, 20, 0.05, method="wilson")
    assert ci["accuracy"] == pytest.approx(expected, abs=0.03)  # t of 19 degrees, not normal
    for name in ("balanced_accuracy", "f1", "ap", "kappa", "ap:yes", "f1:no"):
        assert ci[name][0] < 0.9, name
        assert ci[name][1] == 1, name


def test_many_independent_items_have_wilsons_interval() -> None:
    y, p = noisy(0, 800)
    right = int((p.argmax(1) == y).sum())
    ci = found(scored(y, p), 2000, ["accuracy"]).ci["accuracy"]
    assert ci == pytest.approx(proportion_confint(right, 800, 0.05, "wilson"), abs=2e-3)


def test_many_items_have_delongs_interval() -> None:
    y, p = noisy(1, 800)
    of = delong(y == 1, p[:, 1])
    half = 1.96 * math.sqrt(of.covariance[0, 0])
    low, high = found(scored(y, p), 2000, ["auroc"]).ci["auroc"]
    assert high - low == pytest.approx(2 * half, rel=0.08)
    assert low == pytest.approx(of.auroc[0] - half, abs=0.008)


def test_numbers_agree_with_scipys_bca_where_both_hold() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=300)
    p = y + 0.5 * rng.normal(size=300)
    ours = found(scored(y, p[:, None], task="regression", classes=()), 2000).ci
    known = {
        "mae": lambda i: np.abs(y[i] - p[i]).mean(),
        "rmse": lambda i: np.sqrt(np.square(y[i] - p[i]).mean()),
        "pearson": lambda i: np.corrcoef(y[i], p[i])[0, 1],
    }
    for name, statistic in known.items():
        bca = scipy_bootstrap(
            (np.arange(300),), statistic, vectorized=False, n_resamples=1000, method="BCa",
            random_state=0,
        ).confidence_interval  # fmt: skip
        width = bca.high - bca.low
        assert ours[name] == pytest.approx(tuple(bca), abs=0.12 * width), name


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(FEWEST, 60), st.sampled_from([1, 3]),
    st.floats(0, 6), st.floats(0.03, 0.97), st.sampled_from(["multiclass", "multilabel"]),
)  # fmt: skip
def test_an_interval_holds_its_value_and_stays_in_range(
    seed: int, patients: int, each: int, shift: float, share: float, task: str
) -> None:
    y, p = noisy(seed, patients * each, shift, share)
    if task == "multilabel":
        y = np.stack([y == 0, y == 1], axis=1).astype(float)
    s = scored(y, p, np.repeat(np.arange(patients), each), task)
    values, of = s.mean(), found(s, 50)
    values |= {n: float(v[0]) for n, v in s.values().items() if ":" in n}
    for name, (low, high) in of.ci.items():
        base = name.partition(":")[0]
        if math.isnan(values[name]) or METHODS[base] == NONE:
            assert math.isnan(low), name
        elif not math.isnan(low):
            assert low - 1e-9 <= values[name] <= high + 1e-9, name
            assert low < high, name
            assert BOUNDS[base][0] - 1e-9 <= low, name
            assert high <= BOUNDS[base][1] + 1e-9, name
        else:
            assert base in (*POINTS, "brier"), name


def test_copies_of_a_patients_images_do_not_narrow_any_interval() -> None:
    y, p = noisy(3, 60)
    groups = np.arange(60) // 2
    once = found(scored(y, p, groups)).ci
    tiled = found(scored(np.tile(y, 4), np.tile(p, (4, 1)), np.tile(groups, 4))).ci
    for name, ends in once.items():
        assert tiled[name] == pytest.approx(ends, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("patients", [2, FEWEST - 1])
def test_few_patients_have_a_sentence_and_no_interval(patients: int) -> None:
    y, p = noisy(4, 60)
    of = found(scored(y, p, np.arange(60) % patients))
    assert all(math.isnan(low) for low, _ in of.ci.values())
    assert of.notes == [f"no intervals: {patients} test patients, at least {FEWEST} are needed"]
    assert set(of.method.values()) == {NONE}
    assert math.isnan(share(0.5, np.array([0.4, 0.6]), patients)[0])


def test_resamples_without_a_value_are_counted_and_said() -> None:
    y, p = noisy(5, 40)
    y[:] = 0
    y[7] = 1
    s = scored(y, p)
    boot = bootstrap(s, resamples=300)
    lost = int(np.isnan(boot["auroc"]).sum())
    assert 60 < lost < 160  # a third of resamples lack the patient
    notes = intervals(s, s.mean(), boot).notes
    assert any(f"auroc is not defined in {lost} of 300 resamples of patients" in n for n in notes)
    assert any(n.startswith("a class has 1 test patient only") for n in notes)


def test_a_class_without_patients_leaves_accuracy_alone() -> None:
    """F1 of a class that nobody has is 0 or undefined, whatever the model does in others."""
    y, p = noisy(8, 40)
    of = found(scored(np.zeros(40, dtype=int), p))
    assert not math.isnan(of.ci["accuracy"][0])
    for name in ("f1", "f1:yes", "balanced_accuracy", "ap", "kappa", "auroc"):
        assert math.isnan(of.ci[name][0]), name
    said = (
        "no interval of balanced_accuracy, f1, ap, kappa, precision, recall: one of the two classes"
    )
    assert any(n.startswith(said) for n in of.notes), of.notes
    labels = np.stack([np.zeros(40), y], axis=1).astype(float)
    of = found(scored(labels, p, task="multilabel"))
    assert math.isnan(of.ci["f1:no"][0])
    assert not math.isnan(of.ci["f1:yes"][0])
    assert not math.isnan(of.ci["f1"][0])


def test_operating_points_need_patients_of_both_classes() -> None:
    y, p = noisy(6, 120, share=0.5)
    many, few = found(scored(y, p)), found(scored(y[:40], p[:40]))
    assert all(not math.isnan(many.ci[n][0]) for n in POINTS)
    assert all(math.isnan(few.ci[n][0]) and few.method[n] == NONE for n in POINTS)
    assert any("no interval of sens_at_95spec, spec_at_95sens" in n for n in few.notes)


def test_folds_and_tries_have_one_interval_of_their_mean() -> None:
    y, p = noisy(7, 80)
    folds = [np.arange(0, 80, 2), np.arange(1, 80, 2)]
    one = found(scored(y, p)).ci["auroc"]
    cv = found(scored(y, [p[f] for f in folds], rows=folds)).ci["auroc"]
    assert np.subtract(*cv[::-1]) == pytest.approx(np.subtract(*one[::-1]), rel=0.2)
    same = found(scored(y, [p, p, p])).ci["auroc"]
    assert same == pytest.approx(one)


def test_patients_of_each_class_are_counted() -> None:
    y = np.array([0, 0, 1, 1, 2, 0])
    groups = np.array(list("aabbbc"))
    support = Support(scored(y, np.eye(3)[y], groups, classes=("x", "y", "z")))
    assert support.positive.tolist() == [2, 1, 1]
    assert support.negative.tolist() == [1, 3, 3]
    assert support.items.tolist() == [3, 2, 1]
    labels = np.array([[1, np.nan], [0, 1], [1, 0], [0, 0], [np.nan, 0], [1, 1]])
    support = Support(scored(labels, labels * 0, groups, "multilabel"))
    assert support.positive.tolist() == [3, 2]
    assert support.negative.tolist() == [2, 1]
    assert support.items.tolist() == [3, 2]


@pytest.mark.parametrize("classes", [3, 12])
def test_disagreement_is_the_denominator_of_kappa(classes: int) -> None:
    y = np.random.default_rng(0).integers(0, classes, 200)
    support = Support(scored(y, np.eye(classes)[y], task="ordinal", classes=()))
    square = (y[:, None] - y[None]) ** 2
    assert support.disagreement(False) == pytest.approx((square > 0).mean())
    assert support.disagreement(True) == pytest.approx(square.mean())


def test_ap_of_a_few_positives_has_the_quantile_of_their_number() -> None:
    """Wilson's interval of no errors, with t of the six patients of the rarer class; of a mean over
    two classes an error of the rarer one costs half."""
    y = (np.arange(60) < 6).astype(int)
    low, high = found(scored(y, binary(y * 0.8 + 0.1))).ci["ap"]
    z = stats.t.ppf(0.975, 6)
    assert high == pytest.approx(1)
    assert low == pytest.approx(12 / (12 + z**2))


@pytest.mark.parametrize("right", [True, False])
def test_the_ends_of_every_scale_are_what_the_best_and_the_worst_reach(right: bool) -> None:
    y = np.arange(40) % 2
    p = binary(np.where((y == 1) == right, 0.999999, 0.000001))
    s = scored(y, p, task="ordinal", classes=("0", "1"))
    values = s.mean(["accuracy", "balanced_accuracy", "f1", "auroc", "kappa", "quadratic_kappa"])
    for name, value in values.items():
        if name.partition(":")[0] in BOUNDS:
            assert value == pytest.approx(BOUNDS[name.partition(":")[0]][int(right)], abs=1e-4)
    assert BOUNDS["ece"] == BOUNDS["ap"] == BOUNDS["auroc"] == (0.0, 1.0)  # ends of a share
    assert BOUNDS["brier"] == (0.0, math.inf)


def test_of_two_classes_only_operating_points_are_of_the_second() -> None:
    y = (np.arange(50) < 8).astype(int)
    support = Support(scored(y, binary(y * 0.5)))
    assert support.bearing("accuracy", None) == 50
    assert support.bearing("sensitivity", None) == 8
    assert support.bearing("specificity", None) == 42
    assert support.bearing("balanced_accuracy", None) == 2 * 8  # both recalls, by the rarer
    assert support.bearing("balanced_accuracy", 0) == 42


@pytest.mark.parametrize("turned", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("wrong", [1, 12, 120])
@pytest.mark.parametrize(
    ("name", "trials"), [("auroc", 12), ("accuracy", 90), ("balanced_accuracy", 24)]
)
def test_resamples_count_by_the_errors_that_could_be_seen(
    name: str, trials: int, wrong: int, turned: bool
) -> None:
    """Of twelve patients and 78 without: the variance of resamples weighs errors / (errors + 2),
    that of independent trials the rest. Of bad scores it is the right answers that are rare."""
    y = (np.arange(90) < 12).astype(int)
    second = 0.4 * y + 0.3 + 0.003 * (np.arange(90) * 37 % 90 / 90)
    swapped = np.r_[: min(wrong, 6), 20 : 20 + wrong // 2 + 1]
    second[swapped] = 1 - second[swapped]
    s = scored(y, binary(1 - second if turned else second))
    value = s.mean([name])[name]
    boot = bootstrap(s, wanted=[name], resamples=300)

    def independent(v: float) -> float:
        return float(area_variance(v, 12.0, 78.0)) if name == "auroc" else v * (1 - v) / trials

    errors = trials * min(value, 1 - value)
    weight = errors / (errors + 2)
    seen = float(np.var(boot[name], ddof=1)) * 90 / 89 / independent(value)
    factor = weight * seen + 1 - weight
    want = score_interval(value, lambda v: factor * independent(v), stats.t.ppf(0.975, 89))
    np.testing.assert_allclose(intervals(s, {name: value}, boot).ci[name], want, atol=1e-6)
