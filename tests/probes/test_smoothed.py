"""Smoothing against the formula written out, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.probes.knn import KNNProbe
from featprobe.probes.prototype import PrototypeProbe
from featprobe.probes.smoothed import SmoothedProbe


def blobs(seed: int, n: int = 60, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 3)
    return np.eye(3, width)[y] * 3 + rng.normal(size=(n, width)), y


def nearest(x: np.ndarray, v: np.ndarray, k: int, without: int | None = None) -> list[int]:
    cosine = x @ v / (np.linalg.norm(x, axis=1) * np.linalg.norm(v))
    return [i for i in np.argsort(-cosine) if i != without][:k]


@pytest.mark.parametrize("among", ["queries", "bank"])
def test_scores_are_the_stated_mixture(among: str) -> None:
    x, y = blobs(0)
    q, _ = blobs(1, 25)
    own = PrototypeProbe().fit(x, y)
    p, bank = own.predict_proba(q), own.predict_proba(x)
    probe = SmoothedProbe("prototype", k=[4, 2], weight=[0, 0.3, 1.0], among=among)
    found = probe.fit(x, y).score_candidates(q)
    for scores, c in zip(found, probe.candidates(), strict=True):
        for i in range(len(q)):
            if among == "bank":
                mean = bank[nearest(x, q[i], c["k"])].mean(0)
            else:
                mean = p[nearest(q, q[i], c["k"], without=i)].mean(0)
            expected = (1 - c["weight"]) * p[i] + c["weight"] * mean
            np.testing.assert_allclose(scores[i], expected, atol=1e-12)


def test_parameters_reach_the_other_probe_which_chooses_among_its_candidates() -> None:
    x, y = blobs(2)
    probe = SmoothedProbe("logistic", {"Cs": [1e-6, 1.0]}, weight=0.0).fit(x, y)
    assert probe._inner.best_ == {"Cs": 1.0}
    np.testing.assert_array_equal(probe.predict_proba(x), probe._inner.predict_proba(x))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["queries", "bank"]))
def test_the_order_of_training_and_test_items_changes_nothing(seed: int, among: str) -> None:
    x, y = blobs(seed)
    q, _ = blobs(seed + 1, 20)
    rng = np.random.default_rng(seed)
    rows, order = rng.permutation(60), rng.permutation(20)
    probe = SmoothedProbe("prototype", k=5, among=among)
    plain = probe.fit(x, y).predict_proba(q)
    np.testing.assert_allclose(
        probe.fit(x[rows], y[rows]).predict_proba(q[order]), plain[order], atol=1e-6
    )


def test_scores_of_a_noisy_probe_get_better() -> None:
    x, y = blobs(3, 30)
    q, truth = blobs(4, 600)
    found = SmoothedProbe("knn", {"k": 1}, k=20, weight=[0, 0.9]).fit(x, y).score_candidates(q)
    plain, smooth = (np.mean(p.argmax(1) == truth) for p in found)
    assert plain == KNNProbe(k=1).fit(x, y).score(q, truth)
    assert smooth > plain


def test_labels_that_are_unknown_are_left_to_the_other_probe() -> None:
    x, y = blobs(5)
    labels = np.eye(3)[y]
    labels[::4, 0] = np.nan
    p = SmoothedProbe("prototype", k=3).fit(x, labels).predict(x)
    assert p.shape == (60, 3)
    assert set(np.unique(p)) == {0, 1}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"among": "friends"}, "among 'friends': choose of queries, bank"),
        ({"weight": -0.5}, "weight of smoothing is between 0 and 1, not -0.5"),
        ({"weight": [0.5, -1e-9]}, "weight of smoothing is between 0 and 1"),
        ({"weight": 1.5}, "weight of smoothing is between 0 and 1, not 1.5"),
        ({"k": 0}, "k of at least 1"),
        ({"probe": "smoothed"}, "probe 'smoothed' cannot be smoothed"),
        ({"probe": "logistik"}, "unknown probe 'logistik'. Did you mean 'logistic'"),
        ({"params": {"CC": 1}}, "has no parameter 'CC'"),
    ],
)
def test_what_cannot_work_is_told(params: dict, message: str) -> None:
    x, y = blobs(6)
    with pytest.raises((InputError, KeyError), match=message):
        SmoothedProbe(**params).fit(x, y)


def test_too_few_neighbours_are_told() -> None:
    x, y = blobs(7)
    with pytest.raises(InputError, match="k = 10 neighbours among 4 other items scored with it"):
        SmoothedProbe("prototype").fit(x, y).predict_proba(x[:5])
    with pytest.raises(InputError, match="k = 99 neighbours among 60 training items"):
        SmoothedProbe("prototype", k=99, among="bank").fit(x, y).predict_proba(x[:5])
