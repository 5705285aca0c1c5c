"""The multilayer perceptron."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from featprobe.core.errors import InputError
from featprobe.probes.mlp import MLPProbe
from featprobe.solvers.training import batches

FAST = {"width": 32, "weight_decay": 0.01, "device": "cpu"}


def circles(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that no line separates, at wild scales."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    angle = rng.uniform(0, 2 * np.pi, n)
    x = (1 + 2 * y)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return (x + 0.2 * rng.normal(size=x.shape)) * [1e4, 1e-3] + [0, 7], y


def test_it_separates_what_no_line_does_at_any_scale() -> None:
    x, y = circles()
    probe = MLPProbe(**FAST).fit(x[:300], y[:300])
    linear = LogisticRegression().fit(x[:300] / x.std(0), y[:300])
    assert linear.score(x[300:] / x.std(0), y[300:]) < 0.7
    assert probe.score(x[300:], y[300:]) > 0.95


def test_without_patience_it_is_torchs_own_training() -> None:
    x, y = circles(60)
    probe = MLPProbe(**FAST, patience=None, epochs=5, batch=20, seed=3).fit(x, y)
    rows = torch.from_numpy(((x - x.mean(0)) / x.std(0)).astype(np.float32))
    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Linear(2, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2)
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    for index in batches(60, 20, 15, 3):
        optimizer.zero_grad()
        logits = network(rows[index])
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(y[index])).backward()
        optimizer.step()
    expected = network(rows).softmax(1).detach().numpy()
    np.testing.assert_allclose(probe.predict_proba(x), expected, atol=1e-5)


def test_stopping_early_beats_training_to_the_end_on_noise() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 30))
    y = (x[:, 0] + 1.5 * rng.normal(size=300) > 0).astype(int)

    def loss(probe: MLPProbe) -> float:
        p = probe.fit(x[:150], y[:150]).predict_proba(x[150:])
        return -np.log(np.maximum(p[np.arange(150), y[150:]], 1e-12)).mean()

    stopped, whole = MLPProbe(**FAST), MLPProbe(**FAST, patience=None)
    assert loss(stopped) < loss(whole) - 0.2


def test_every_pair_of_width_and_weight_decay_is_a_candidate() -> None:
    probe = MLPProbe(width=(8, 16), weight_decay=(0.0, 1.0), epochs=2, device="cpu")
    assert probe.candidates() == [
        {"width": w, "weight_decay": d} for w in (8, 16) for d in (0.0, 1.0)
    ]
    x, y = circles(50)
    scores = probe.fit_candidates(x, y).score_candidates(x)
    assert scores.shape == (4, 50, 2)
    alone = probe.fresh(width=16, weight_decay=0.0).fit_candidates(x, y)
    np.testing.assert_allclose(alone.score_candidates(x)[0], scores[2], atol=1e-6)


def test_values_are_fitted_in_their_own_unit() -> None:
    x, _ = circles()
    unit = (x - x.mean(0)) / x.std(0)
    y = 500 + 40 * np.hypot(*unit.T)
    assert MLPProbe(**FAST).fit(x[:300], y[:300]).score(x[300:], y[300:]) > 0.9


def test_labels_are_sigmoids_and_unknown_ones_are_masked() -> None:
    x, y = circles()
    labels = np.stack([y, 1 - y], axis=1).astype(float)
    labels[np.random.default_rng(0).random(labels.shape) < 0.3] = np.nan
    p = MLPProbe(**FAST).fit(x, labels).predict_proba(x)
    assert np.mean((p > 0.5) == np.stack([y, 1 - y], axis=1)) > 0.95


def test_the_seed_decides_and_torchs_generator_is_left_alone() -> None:
    x, y = circles(40)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    one, two, other = (
        MLPProbe(**FAST, epochs=2, seed=s).fit(x, y).predict_proba(x) for s in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.0}, "lr must be positive"),
        ({"weight_decay": -1.0}, "weight_decay not negative"),
        ({"epochs": 0}, "batch, epochs and patience must be at least 1"),
        ({"patience": 0}, "batch, epochs and patience must be at least 1"),
        ({"width": 0}, "width of the hidden layer must be at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message) -> None:
    with pytest.raises(InputError, match=message):
        MLPProbe(**{**FAST, **change}).fit(*circles(40))
