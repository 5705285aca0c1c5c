"""The curve of one binary problem, part by part, against scikit-learn's under weights."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.metrics import curve
from featprobe.metrics.curve import Curve
from featprobe.metrics.measures import Measure
from featprobe.metrics.sums import running

TOLERANCE = 1e-12


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positives, scores with or without ties, groups, weights (G, 3): whole, fractional, mostly 0;
    any share of positives, so that there are fewer thresholds than in a part, and more."""
    rng = np.random.default_rng(seed)
    n, groups = int(rng.integers(2, 200)), int(rng.integers(1, 40))
    positive = rng.random(n) < rng.random()
    score = rng.normal(size=n) + positive
    if seed % 3:
        score = score.round(seed % 3 - 1)
    weights = np.stack(
        [rng.integers(0, 4, groups), rng.random(groups), rng.random(groups) < 0.3], axis=1
    ).astype(float)
    return positive, score, rng.integers(0, groups, n), weights


def expected(name: str, y: np.ndarray, score: np.ndarray, w: np.ndarray) -> float:
    """By scikit-learn; NaN where a class that the metric needs has no weight."""
    has_pos, has_neg = w[y].sum() > 0, w[~y].sum() > 0
    if not has_pos or not (has_neg or name == "ap"):
        return float("nan")
    if name == "ap":
        return float(sk.average_precision_score(y, score, sample_weight=w))
    if name == "auroc":
        return float(sk.roc_auc_score(y, score, sample_weight=w))
    fpr, tpr, _ = sk.roc_curve(y, score, sample_weight=w, drop_intermediate=False)
    if name == "sens_at_95spec":
        return float(tpr[1 - fpr >= 0.95 - 1e-9].max())
    return float((1 - fpr)[tpr >= 0.95 - 1e-9].max())


def parted(steps: int, most: int):
    """Curves of so many thresholds in a part, and negatives in a step."""
    return patch.multiple(curve, STEPS=steps, _MOST=most)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 7, 2048]), st.sampled_from([1, 3, 2048]))
def test_every_part_of_a_curve_and_every_weighting_equal_sklearn(
    seed: int, steps: int, most: int
) -> None:
    positive, score, code, weights = problem(seed)
    with parted(steps, most):
        found = Curve(positive, score, code, len(weights))(weights)
    for name, values in found.items():
        for b, value in enumerate(values):
            told = expected(name, positive, score, weights[code, b])
            assert value == pytest.approx(told, abs=TOLERANCE, nan_ok=True), (name, b)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from([1, 7, 2048]), st.sampled_from([3, 2048]),
    st.sampled_from(["u1", "u2", "u4"]), st.sampled_from([1, 60, 2000, 10**6, 10**9]),
)  # fmt: skip
def test_whole_counts_of_any_size_give_the_same_bits(
    seed: int, steps: int, most: int, dtype: str, times: int
) -> None:
    """Sums of a part, and pairs of positives and negatives, fit 16 bits, 32 bits or neither."""
    positive, score, code, weights = problem(seed)
    counts = (np.rint(3 * weights) * times).clip(max=np.iinfo(dtype).max)
    with parted(steps, most):
        of = Curve(positive, score, code, len(weights))
    for names in (("auroc",), ("positive", "auroc"), Curve.NAMES):
        long, short = of(counts, names), of(counts.astype(dtype), names)
        assert long.keys() == short.keys() == {*names}
        for name in long:
            np.testing.assert_array_equal(short[name], long[name], err_msg=name)


@pytest.mark.parametrize("dtype", [np.uint32, np.float32, np.float64])
def test_no_count_is_rounded(dtype: type) -> None:
    """2^24 + 1 items are no float32."""
    y, score = np.array([[1.0], [0], [1], [0]]), np.array([[3.0], [2], [1], [0]])
    counts = np.array([[2.0**24], [1], [1], [2.0**24]])
    of = Measure("multilabel", y, score, wanted=["auroc"])
    (area,) = of(counts.astype(dtype))["auroc"]
    assert area == sk.roc_auc_score(y[:, 0], score[:, 0], sample_weight=counts[:, 0]) < 1


@pytest.mark.parametrize("positives", [1, 300])
def test_many_negatives_between_two_thresholds_are_counted(positives: int) -> None:
    """A step of 70,000 negatives, drawn up to 255 times, is beyond 16 bits."""
    rng = np.random.default_rng(positives)
    n = 70_000 + positives
    positive = np.arange(n) < positives
    score = np.where(positive, rng.choice([0.25, 0.75], n), rng.random(n).round(5))
    counts = rng.integers(0, 256, (n, 2)).astype(np.uint8)
    found = Curve(positive, score, np.arange(n), n)(counts, ("auroc",))["auroc"]
    told = [expected("auroc", positive, score, counts[:, b].astype(float)) for b in (0, 1)]
    assert found == pytest.approx(told, abs=TOLERANCE)


def test_a_problem_without_samples_or_positives_has_no_value() -> None:
    for n in (0, 3):
        of = Curve(np.zeros(n, bool), np.arange(float(n)), np.arange(n), n)
        assert all(np.isnan(v).all() for v in of(np.ones((n, 2))).values())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 70), st.integers(1, 4), st.integers(0, 1000))
def test_running_sums_equal_numpys(n: int, b: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, before = rng.normal(size=(n, 2 * b))[:, ::2], rng.normal(size=b)
    told = np.cumsum(values, axis=0) + before
    np.testing.assert_allclose(running(values.copy(), before), told, atol=TOLERANCE)
    np.testing.assert_allclose(running(values, before), told, atol=TOLERANCE)
