"""Temperature scaling: against scikit-learn's, and what holds for all scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from featprobe.core.errors import InputError
from featprobe.probes.temperature import temperature, tempered


def drawn(seed: int, classes: int, n: int = 60, sharp: float = 3.0):
    """Class probabilities that are too sure, and classes drawn from less sure ones."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, classes))
    p, truth = (np.exp(z * s) / np.exp(z * s).sum(1, keepdims=True) for s in (sharp, 1.0))
    return p, np.array([rng.choice(classes, p=t) for t in truth])


@pytest.mark.parametrize("classes", [2, 4])
def test_the_temperature_is_scikit_learns(classes: int) -> None:
    rng = np.random.default_rng(classes)
    x = rng.normal(size=(400, 6))
    y = (x[:, :classes] * 2 + rng.normal(size=(400, classes)) * 3).argmax(1)
    model = LogisticRegression(C=1e6, max_iter=5000).fit(x[:40], y[:40])
    held, rest = x[40:], rng.normal(size=(50, 6))
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(held, y[40:])
    t = temperature(model.predict_proba(held), y[40:])
    assert t > 1.2
    expected = theirs.predict_proba(rest)
    np.testing.assert_allclose(tempered(model.predict_proba(rest), t), expected, atol=1e-4)


def test_a_known_temperature_is_found_again() -> None:
    p, y = drawn(0, 5, n=20_000)
    assert temperature(p, y) == pytest.approx(3.0, rel=0.05)
    labels = (np.random.default_rng(1).random((20_000, 3)) < 0.3 + 0.4 * p[:, :3]).astype(float)
    z = np.log((0.3 + 0.4 * p[:, :3]) / (0.7 - 0.4 * p[:, :3]))
    assert temperature(1 / (1 + np.exp(-z * 4)), labels) == pytest.approx(4.0, rel=0.05)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 6), st.floats(0.05, 20))
def test_it_is_never_worse_on_the_items_it_was_chosen_on(seed: int, c: int, sharp: float) -> None:
    p, y = drawn(seed, c, n=25, sharp=sharp)
    p[::5] = np.eye(c)[p[::5].argmax(1)]  # votes that are quite sure, some of them wrong
    labels, q = range(c), tempered(p, temperature(p, y))
    floor = 1e-12  # an impossible class costs a finite amount
    before, after = (log_loss(y, np.clip(s, floor, 1), labels=labels) for s in (p, q))
    assert after <= before + 1e-9
    assert (q.argmax(1) == p.argmax(1)).all()
    np.testing.assert_allclose(q.sum(1), 1)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.05, 20))
def test_the_order_within_a_label_stays(seed: int, t: float) -> None:
    p = np.random.default_rng(seed).random((40, 3)) ** 4
    p[0], p[1] = 0, 1
    q = tempered(p, t, labels=True)
    order = np.argsort(p, axis=0)
    assert (np.diff(np.take_along_axis(q, order, 0), axis=0) >= 0).all()
    assert ((q >= 0.5) == (p >= 0.5)).all()


def test_unknown_labels_do_not_count() -> None:
    rng = np.random.default_rng(0)
    p, y = rng.random((50, 2)), (rng.random((50, 2)) < 0.5).astype(float)
    y[:20, 0] = np.nan
    other = p.copy()
    other[:20, 0] = rng.random(20)
    assert temperature(p, y) == temperature(other, y)
    assert temperature(p, np.full((50, 2), np.nan)) == 1


def test_what_is_no_probability_is_told() -> None:
    with pytest.raises(InputError, match="must be probabilities"):
        temperature(np.array([[1.5, -0.5]]), np.array([0]))
    with pytest.raises(InputError, match="temperature must be positive"):
        tempered(np.eye(2), 0.0)
