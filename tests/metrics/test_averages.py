"""Weighted and macro averages, top-5, subset accuracy and one-vs-one AUROC against scikit-learn's,
on random and degenerate targets and scores, with and without weights."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.metrics import measures as metrics

AVERAGED = ("precision", "recall", "precision_weighted", "recall_weighted", "f1_weighted")
EXAMPLES = settings(max_examples=60, deadline=None)


@st.composite
def classified(draw, most: int = 7):
    """Targets of which some classes may be absent (even all but one), rounded and so tied scores of
    which some may be all alike, and whole weights of which some may be zero."""
    classes, n = draw(st.integers(2, most)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    kinds = rng.choice(classes, draw(st.integers(1, classes)), replace=False)
    y = rng.choice(kinds, n)
    p = rng.dirichlet(np.ones(classes), n).round(draw(st.integers(0, 2)))
    if draw(st.booleans()):
        p[:, :] = p[0]  # one score for all
    weights = rng.integers(0, 3, n).astype(float) if draw(st.booleans()) else np.ones(n)
    weights[0] = max(weights[0], 1)
    return y, p, weights


@st.composite
def labelled(draw):
    labels, n = draw(st.integers(1, 5)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    y = (rng.random((n, labels)) < rng.choice([0, 0.1, 0.5, 1], labels)).astype(float)
    if draw(st.booleans()):
        y[rng.random(y.shape) < 0.3] = np.nan
    return y, rng.random((n, labels)).round(draw(st.integers(0, 2)))


def ours(task, y, p, names, weights=None) -> dict[str, float]:
    w = None if weights is None else weights[None]
    return {n: float(v[0]) for n, v in metrics.compute(task, y, p, w, wanted=names).items()}


def quiet(of, *args, **kwargs) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(of(*args, **kwargs))


@EXAMPLES
@given(classified())
def test_averages_of_classes_equal_scikit_learn(given_) -> None:
    y, p, w = given_
    guess, kept = p.argmax(1), w > 0
    found = ours("multiclass", y, p, AVERAGED, w)
    for name in AVERAGED:
        of = getattr(sk, f"{name.partition('_')[0]}_score")
        how = "weighted" if name.endswith("weighted") else "macro"
        value = quiet(of, y[kept], guess[kept], average=how, sample_weight=w[kept], zero_division=0)
        assert found[name] == pytest.approx(value, abs=1e-12), name


@EXAMPLES
@given(classified(9))
def test_top_5_equals_scikit_learn_with_ties_and_few_classes(given_) -> None:
    y, p, w = given_
    if p.shape[1] > 2:  # of two classes scikit-learn takes one column
        value = quiet(sk.top_k_accuracy_score, y, p, k=5, labels=range(p.shape[1]), sample_weight=w)
        assert ours("multiclass", y, p, ["top5"], w)["top5"] == pytest.approx(value, abs=1e-12)
    assert ("top5" in metrics.compute("multiclass", y, p)) == (p.shape[1] > 5)


@EXAMPLES
@given(classified())
def test_one_vs_one_equals_scikit_learn(given_) -> None:
    y, p, w = given_
    there = np.unique(y)
    found = ours("multiclass", y, p, ["auroc_ovo"])["auroc_ovo"]
    if len(there) < 2:
        assert np.isnan(found)
        return
    pairs = [
        (sk.roc_auc_score(y[m] == a, p[m, a]) + sk.roc_auc_score(y[m] == b, p[m, b])) / 2
        for i, a in enumerate(there) for b in there[i + 1 :]
        for m in [np.isin(y, [a, b])]
    ]  # fmt: skip
    assert found == pytest.approx(np.mean(pairs), abs=1e-12)
    if len(there) == p.shape[1] > 2:
        full = p + 1e-9  # no row of zeros
        full /= full.sum(1, keepdims=True)
        value = quiet(sk.roc_auc_score, y, full, multi_class="ovo")
        assert ours("multiclass", y, full, ["auroc_ovo"])["auroc_ovo"] == pytest.approx(value)
    repeated = np.repeat(np.arange(len(y)), w.astype(int))
    again = ours("multiclass", y[repeated], p[repeated], ["auroc_ovo"])["auroc_ovo"]
    assert ours("multiclass", y, p, ["auroc_ovo"], w)["auroc_ovo"] == pytest.approx(
        again, nan_ok=True
    )


@EXAMPLES
@given(classified())
def test_the_weighted_area_equals_scikit_learn(given_) -> None:
    y, p, w = given_
    there = [c for c in np.unique(y) if 0 < w[y == c].sum() < w.sum()]
    found = ours("multiclass", y, p, ["auroc_weighted"], w)["auroc_weighted"]
    if not there:
        assert np.isnan(found)
        return
    areas = [sk.roc_auc_score(y == c, p[:, c], sample_weight=w) for c in there]
    value = np.average(areas, weights=[w[y == c].sum() for c in there])
    assert found == pytest.approx(value, abs=1e-9)


@EXAMPLES
@given(labelled())
def test_averages_of_labels_equal_scikit_learn_over_what_is_known(given_) -> None:
    y, p = given_
    known, guess = ~np.isnan(y), p >= 0.5
    found = ours("multilabel", y, p, [*AVERAGED, "subset_accuracy"])
    true = np.where(known, y == 1, False)
    said = np.where(known, guess, False)  # an unknown one is neither
    there = (true | said).any(0)
    for name in AVERAGED:
        of = getattr(sk, f"{name.partition('_')[0]}_score")
        each = np.array([
            quiet(of, y[k, c] == 1, guess[k, c], zero_division=0) if k.any() else 0.0
            for c, k in enumerate(known.T)
        ])  # fmt: skip
        weights = true.sum(0) if name.endswith("weighted") else there.astype(float)
        value = np.average(each, weights=weights) if weights.sum() else np.nan
        assert found[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name
        if known.all() and there.all():
            how = "weighted" if name.endswith("weighted") else "macro"
            if y.shape[1] > 1 and true.any():
                assert found[name] == pytest.approx(
                    quiet(of, y, guess, average=how, zero_division=0)
                )
    items = known.any(1)
    whole = sk.accuracy_score(true[items], said[items]) if items.any() else np.nan
    assert found["subset_accuracy"] == pytest.approx(whole, nan_ok=True)


@EXAMPLES
@given(st.integers(0, 10_000), st.integers(1, 99))
def test_any_operating_point_is_the_best_threshold_of_the_roc_curve(seed, percent) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 60)
    y[:2] = 0, 1
    second = (0.3 * y + rng.random(60)).round(1) / 1.3
    p = np.stack([1 - second, second], axis=1)
    names = [f"sens_at_{percent}spec", f"spec_at_{percent}sens"]
    found = metrics.compute("multiclass", y, p, wanted=[f"{n}:yes" for n in names],
                            classes=["no", "yes"])  # fmt: skip
    fpr, tpr, _ = sk.roc_curve(y, second, drop_intermediate=False)
    at = percent / 100
    assert found[f"{names[0]}:yes"][0] == pytest.approx(tpr[1 - fpr >= at - 1e-12].max())
    assert found[f"{names[1]}:yes"][0] == pytest.approx((1 - fpr)[tpr >= at - 1e-12].max())


def test_names_of_operating_points_are_known_and_others_are_not() -> None:
    assert metrics.about("sens_at_90spec").label == "sens. at 90 % spec."
    assert metrics.about("spec_at_80sens:Mass").label == "spec. at 80 % sens. Mass"
    assert metrics.label("sens_at_90spec") == "sens. at 90 % spec."
    assert metrics.has("multilabel", "sens_at_90spec")
    assert not metrics.has("regression", "sens_at_90spec")
    assert not metrics.has("multilabel", "auroc_ovo")
    for name in ("sens_at_0spec", "sens_at_90sens", "sens_at_100spec", "sens_at_9.5spec"):
        with pytest.raises(InputError, match="no metric"):
            metrics.about(name)
    with pytest.raises(InputError, match="regression has no sens_at_90spec"):
        metrics.compute("regression", np.arange(3.0), np.zeros((3, 1)), wanted=["sens_at_90spec"])
