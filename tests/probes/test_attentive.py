"""Attention over the frames of a bag."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from featprobe.core.errors import InputError
from featprobe.features.bags import Bags
from featprobe.probes.attentive import AttentiveProbe
from featprobe.probes.logistic import LogisticProbe


def one_of_twenty(bags: int = 500, width: int = 16) -> tuple[Bags, np.ndarray, np.ndarray]:
    """Bags of noise in which one frame carries the class; the frame that does."""
    rng = np.random.default_rng(0)
    y = np.arange(bags) % 2
    frames = rng.normal(size=(bags, 20, width))
    carrier = rng.integers(0, 20, bags)
    frames[np.arange(bags), carrier, y] += 5
    return Bags(frames.reshape(-1, width), np.arange(bags + 1) * 20), y, carrier


def ragged(bags: int = 40, width: int = 6) -> tuple[Bags, np.ndarray]:
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 9, bags)
    y = np.arange(bags) % 3
    frames = rng.normal(size=(counts.sum(), width)) + 2 * np.eye(width)[np.repeat(y, counts)]
    return Bags(frames, np.r_[0, np.cumsum(counts)]), y


@pytest.fixture(scope="module")
def fitted() -> tuple[AttentiveProbe, Bags]:
    x, y = ragged()
    return AttentiveProbe(weight_decay=0.01, epochs=10, device="cpu").fit(x, y), x


@pytest.mark.slow
def test_one_frame_of_twenty_is_found_where_the_mean_drowns_it() -> None:
    x, y, carrier = one_of_twenty()
    train, test = np.arange(300), np.arange(300, 500)
    probe = AttentiveProbe(weight_decay=1.0, epochs=60, device="cpu").fit(x[train], y[train])
    mean = LogisticProbe().fit(x[train].mean(), y[train])
    theirs = mean.score(x[test].mean(), y[test])
    assert theirs < 0.85
    assert probe.score(x[test], y[test]) > theirs + 0.1
    weights = probe.attention(x[test]).reshape(200, 20)
    assert np.mean(weights.argmax(1) == carrier[test]) > 0.9


def test_the_order_of_frames_in_a_bag_does_not_matter(fitted) -> None:
    probe, x = fitted
    rng = np.random.default_rng(2)
    order = np.concatenate([a + rng.permutation(b - a) for a, b in zip(x.offsets, x.offsets[1:])])
    shuffled = Bags(x.frames[order], x.offsets)
    np.testing.assert_allclose(probe.predict_proba(shuffled), probe.predict_proba(x), atol=1e-6)
    np.testing.assert_allclose(probe.attention(shuffled), probe.attention(x)[order], atol=1e-6)


def test_bags_of_many_lengths_score_together_as_one_by_one(fitted) -> None:
    probe, x = fitted
    single = np.concatenate([probe.predict_proba(x[i]) for i in range(len(x))])
    np.testing.assert_allclose(probe.predict_proba(x), single, atol=1e-6)


def test_the_pooling_is_equation_9_of_ilse_et_al(fitted) -> None:
    probe, x = fitted
    w = probe._networks.states[0]
    h = ((x.frames - probe._standardize.mean) / probe._standardize.scale)[: x.offsets[1]]
    value = np.tanh(h @ w["value.weight"].T + w["value.bias"])
    gate = torch.sigmoid(torch.from_numpy(h @ w["gate.weight"].T + w["gate.bias"])).numpy()
    e = np.exp((value * gate) @ w["weight.weight"][0])
    np.testing.assert_allclose(probe.attention(x)[: len(h)], e / e.sum(), atol=1e-5)
    z = (e / e.sum()) @ h @ w["head.weight"].T + w["head.bias"]
    np.testing.assert_allclose(
        probe.predict_proba(x[0])[0], np.exp(z) / np.exp(z).sum(), atol=1e-5
    )  # fmt: skip


def test_attention_sums_to_one_in_every_bag(fitted) -> None:
    probe, x = fitted
    weights = probe.attention(x)
    assert weights.shape == (len(x.frames),)
    np.testing.assert_allclose(np.add.reduceat(weights, x.offsets[:-1]), 1, atol=1e-6)


def test_an_array_is_bags_of_one_frame() -> None:
    y = np.arange(90) % 3
    x = np.random.default_rng(0).normal(size=(90, 5)) + 3 * np.eye(5)[y]
    probe = AttentiveProbe(weight_decay=0.01, epochs=30, device="cpu").fit(x, y)
    assert probe.score(x, y) > 0.9
    assert (probe.attention(x) == 1).all()


def test_labels_and_values_are_fitted_too() -> None:
    x, _ = ragged(120)
    level = x.mean()[:, 0].astype(np.float64)
    labels = np.stack([level > 0.5, x.mean()[:, 1] > 0.5], axis=1).astype(float)
    labels[::7, 0] = np.nan
    known = ~np.isnan(labels)
    options = {"weight_decay": 0.01, "epochs": 40, "device": "cpu"}
    p = AttentiveProbe(**options).fit(x, labels).predict_proba(x)
    assert np.mean((p > 0.5)[known] == labels[known]) > 0.85
    values = 100 + 10 * level
    assert AttentiveProbe(**options).fit(x, values).score(x, values) > 0.7


def test_frames_and_widths_that_cannot_be_are_refused(fitted) -> None:
    probe, x = fitted
    frames = x.frames.copy()
    frames[4, 0] = np.nan
    with pytest.raises(InputError, match="features of 1 rows are NaN or infinite, first row 4"):
        AttentiveProbe().fit(Bags(frames, x.offsets), np.arange(len(x)) % 2)
    with pytest.raises(InputError, match="width of the attention must be at least 1"):
        AttentiveProbe(width=0).fit(x, np.arange(len(x)) % 2)
    with pytest.raises(InputError, match="5 features a row"):
        probe.predict_proba(Bags(x.frames[:, :5], x.offsets))


def test_a_probe_of_single_rows_says_that_it_takes_no_bags() -> None:
    x, y = ragged()
    with pytest.raises(InputError, match=r"give it the mean\(\) of the bags"):
        LogisticProbe().fit(x, y)
