"""The SGD linear probe."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from featprobe.probes.sgd import RATES, SGDProbe


def test_the_rates_are_dinov2s_times_batch_over_256() -> None:
    assert [c["lr"] for c in SGDProbe().candidates()] == list(RATES)
    assert len(RATES) == 13
    assert (RATES[0], RATES[-1]) == (1e-5, 0.1)
    x, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    scaled = SGDProbe(lr=0.2, batch=32, iterations=10, device="cpu").fit(x, y)
    given = SGDProbe(
        lr=0.2 * 32 / 256, batch=32, iterations=10, scale_lr=False, device="cpu"
    ).fit(x, y)  # fmt: skip
    np.testing.assert_array_equal(scaled._heads.coef, given._heads.coef)


def test_a_sweep_on_digits_is_as_good_as_sklearns_logistic_regression() -> None:
    x, y = load_digits(return_X_y=True)
    train, test = np.arange(1200), np.arange(1200, 1797)
    probe = SGDProbe(epochs=10, device="cpu").fit(x[train], y[train])
    scale = x[train].std(0) + (x[train].std(0) == 0)
    reference = LogisticRegression(C=0.1, max_iter=1000).fit(x[train] / scale, y[train])
    assert probe.score(x[test], y[test]) > reference.score(x[test] / scale, y[test]) - 0.03
    assert probe.best_["lr"] > RATES[3]  # the smallest rates learn nothing in ten epochs


@pytest.mark.slow
def test_features_of_wild_scale_do_not_collapse_the_probe() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(400) % 2
    x = rng.normal(size=(400, 10)) + y[:, None] * 0.8
    x[:, 0] *= 1e4
    probe = SGDProbe(iterations=500, device="cpu").fit(x[:300], y[:300])
    guess = probe.predict(x[300:])
    assert np.mean(guess == y[300:]) > 0.85
    assert 0.3 < guess.mean() < 0.7
    # ... and one fixed rate on the features as they are does what the studies saw
    raw = SGDProbe(lr=1e-4, iterations=500, standardize=False, device="cpu")
    assert raw.fit(x[:300], y[:300]).score(x[300:], y[300:]) < 0.8


def test_labels_are_probabilities_each_and_unknown_ones_are_masked() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    y = (x[:, :3] + 0.3 * rng.normal(size=(300, 3)) > 0).astype(float)
    y[rng.random(y.shape) < 0.3] = np.nan
    probe = SGDProbe(lr=0.5, iterations=300, device="cpu").fit(x, y)
    p = probe.predict_proba(x)
    known = ~np.isnan(y)
    assert np.mean((p > 0.5)[known] == y[known]) > 0.9
    assert not np.allclose(p.sum(1), 1)


def test_the_same_seed_gives_the_same_probe_and_another_seed_another() -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
    one, two, other = (
        SGDProbe(lr=0.1, iterations=20, batch=8, seed=s, device="cpu").fit(x, y).predict_proba(x)
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)
    np.testing.assert_allclose(one.sum(1), 1)


def test_patience_holds_out_rows_and_still_learns() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = rng.normal(size=(300, 8)) + 3 * np.eye(8)[y]
    probe = SGDProbe(
        lr=1e-2, optimizer="adamw", schedule="constant", epochs=30, patience=3, device="cpu"
    )
    assert probe.fit(x, y).score(x, y) > 0.9


@pytest.mark.parametrize("rows", [4, 30])
def test_few_rows_are_one_batch(rows: int) -> None:
    y = np.arange(rows) % 2
    x = np.random.default_rng(0).normal(size=(rows, 5)) + 3 * y[:, None]
    probe = SGDProbe(iterations=100, device="cpu").fit(x, y)
    assert probe.score(x, y) > 0.9
