"""Nearest prototypes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize as unit

from featprobe.core.errors import InputError
from featprobe.probes.prototype import METRICS, NORMALIZATIONS, PrototypeProbe
from tests.probes.draws import check_tries, draws


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


def data(n: int = 90):
    rng = np.random.default_rng(3)
    y = np.arange(n) % 3
    x = rng.normal(size=(n, 12)) * 2 + 3 * np.eye(12)[y] + 20
    return x, y, rng.normal(size=(40, 12)) * 2 + 20


@pytest.mark.parametrize("normalize", NORMALIZATIONS)
def test_euclidean_decisions_equal_the_nearest_centroid(normalize: str) -> None:
    x, y, q = data()
    centre = x.mean(0) if normalize == "CL2N" else 0
    rows, asked = x - centre, q - centre
    if normalize != "UN":
        rows, asked = unit(rows), unit(asked)
    theirs = NearestCentroid().fit(rows, y)
    probe = PrototypeProbe(metric="euclidean", normalize=normalize).fit(x, y)
    assert (probe.predict(q) == theirs.predict(asked)).all()
    square = ((asked[:, None] - theirs.centroids_) ** 2).sum(2)
    spread = ((rows - rows.mean(0)) ** 2).sum(1).mean()
    z = np.exp(-square / (2 * spread) / 0.1)
    np.testing.assert_allclose(probe.predict_proba(q), z / z.sum(1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_the_scale_of_the_features_does_not_matter(metric: str) -> None:
    x, y, q = data()
    for normalize in NORMALIZATIONS:
        probe = PrototypeProbe(metric=metric, normalize=normalize)
        one, two = probe.fit(x, y).predict_proba(q), probe.fit(x * 1e3, y).predict_proba(q * 1e3)
        np.testing.assert_allclose(one, two, atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("normalize", NORMALIZATIONS)
def test_tries_together_equal_one_after_another(metric: str, normalize: str) -> None:
    x, y, q = data()
    probe = PrototypeProbe(metric=metric, normalize=normalize)
    tries = draws(y, (1, 4, 1, 9) * 10)
    check_tries(probe, x, y, tries, q, 1e-9)
    check_tries(probe, x.astype(np.float32), y, tries, q.astype(np.float32), 5e-6)
    labels = (y[:, None] > np.arange(2)).astype(float)
    labels[::4, 0] = np.nan
    check_tries(probe, x, labels, tries, q, 1e-9)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"metric": "cosin"}, "choose of cosine, euclidean"),
        ({"normalize": "L2"}, "CL2N, L2N, UN"),
        ({"temperature": 0.0}, "temperature 0.0 must be positive"),
    ],
)
def test_options_that_do_not_exist_are_told(params: dict, message: str) -> None:
    x, y, _ = data()
    with pytest.raises(InputError, match=message):
        PrototypeProbe(**params).fit(x, y)


@pytest.mark.parametrize("normalize", NORMALIZATIONS)
@pytest.mark.parametrize("metric", METRICS)
def test_an_item_without_a_direction_has_probabilities(metric: str, normalize: str) -> None:
    """What lies in the very centre is not divided by its length of zero."""
    half = np.random.default_rng(0).normal(size=(20, 6)) + 1
    x, y = np.concatenate([half, -half]), np.repeat([0, 1], 20)
    probe = PrototypeProbe(metric=metric, normalize=normalize).fit(x, y)
    p = probe.predict_proba(np.zeros((1, 6)))
    np.testing.assert_allclose(p.sum(1), 1)
