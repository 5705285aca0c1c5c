"""Nearest prototypes."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.probes.prototype import PrototypeProbe


def test_equals_cosine_to_centred_class_means() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = rng.normal(size=(60, 10)) + 2 * np.eye(10)[y] + 5
    q = rng.normal(size=(20, 10)) + 5

    def unit(v: np.ndarray) -> np.ndarray:
        return v / np.linalg.norm(v, axis=-1, keepdims=True)

    centred, centre = unit(x - x.mean(0)), x.mean(0)
    means = unit(np.stack([centred[y == c].mean(0) for c in range(3)]))
    z = np.exp(unit(q - centre) @ means.T / 0.1)
    expected = z / z.sum(1, keepdims=True)
    found = PrototypeProbe().fit(x, y).predict_proba(q)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_one_shot_of_each_class_tells_separated_classes_apart() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(90) % 3
    x = rng.normal(size=(90, 20)) * 0.3 + 4 * np.eye(20)[y]
    probe = PrototypeProbe().fit(x[:3], y[:3])
    assert probe.score(x, y) == 1


def test_multilabel_scores_lean_to_the_nearer_of_the_two_prototypes() -> None:
    x = np.array([[1.0, 0], [0.9, 0.1], [-1, 0], [-0.9, 0.2]])
    y = np.array([[1.0], [1], [0], [np.nan]])
    p = PrototypeProbe().fit(x, y).predict_proba(x)
    assert p.shape == (4, 1)
    assert p[0, 0] > 0.9
    assert p[2, 0] < 0.1
    assert p[3, 0] < 0.1  # the unknown row is on the negatives' side


def test_scores_are_probabilities() -> None:
    rng = np.random.default_rng(2)
    p = PrototypeProbe().fit(rng.normal(size=(9, 4)), np.arange(9) % 3).predict_proba(np.eye(4))
    np.testing.assert_allclose(p.sum(1), 1)
    assert p.min() >= 0
    assert p.shape == (4, pytest.approx(3))
