"""The ordinal probe against the textbook likelihood, and on grades."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from featprobe.core.errors import InputError
from featprobe.probes.logistic import LogisticProbe
from featprobe.probes.ordinal import CS, OrdinalProbe
from featprobe.solvers.ordinal import ordinal_path


def graded(n: int, d: int, grades: int, seed: int = 0, noise: float = 1.0):
    """Features, and grades that are a noisy direction cut at quantiles of unequal shares."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * rng.uniform(0.3, 3, d) + rng.normal(size=d)
    latent = (x - x.mean(0)) / x.std(0) @ rng.normal(size=d) / np.sqrt(d)
    latent += rng.logistic(size=n) * noise
    edges = np.quantile(latent, np.cumsum(rng.dirichlet(np.ones(grades) * 3))[:-1])
    return x, np.searchsorted(edges, latent)


def likelihood(w: np.ndarray, theta: np.ndarray, x: np.ndarray, y: np.ndarray, c: float) -> float:
    """Mean negative log-likelihood of proportional odds and the penalty, as textbooks write it."""
    cumulative = expit(theta[None] - (x @ w)[:, None])
    p = np.diff(np.column_stack([np.zeros(len(x)), cumulative, np.ones(len(x))]), axis=1)
    if (np.diff(theta) <= 0).any():
        return np.inf
    return -np.log(p[np.arange(len(y)), y]).mean() + (w @ w) / (2 * c * len(x))


@pytest.mark.parametrize("grades", [3, 5])
@pytest.mark.parametrize(("n", "d"), [(150, 4), (30, 40)])
def test_reaches_the_optimum_of_the_textbook_likelihood(grades: int, n: int, d: int) -> None:
    x, y = graded(n, d, grades)
    path = ordinal_path(x, y, [10.0, 0.01, 1.0])
    assert path.converged.all()
    assert (np.diff(path.thresholds, axis=1) > 0).all()
    for g, c in enumerate((10.0, 0.01, 1.0)):
        ours = likelihood(path.coef[g], path.thresholds[g], x, y, c)
        assert path.objective[g] == pytest.approx(ours, rel=1e-9)
        start = np.concatenate([path.coef[g] * 0.7, path.thresholds[g] * 1.1])
        theirs = minimize(
            lambda s, c=c: likelihood(s[:d], s[d:], x, y, c), start, method="BFGS",
            options={"gtol": 1e-7},
        )  # fmt: skip
        assert theirs.fun == pytest.approx(ours, rel=1e-6)
        assert ours <= theirs.fun * (1 + 1e-9)


def test_two_grades_are_logistic_regression() -> None:
    x, y = graded(200, 6, 2)
    path = ordinal_path(x, y, [0.5])
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(x, y)
    np.testing.assert_allclose(path.predict_proba(x)[0], theirs.predict_proba(x), atol=1e-5)


def test_probabilities_are_those_of_the_model() -> None:
    x, y = graded(300, 5, 4)
    p = OrdinalProbe(1.0).fit(x, y).predict_proba(x)
    assert p.shape == (300, 4)
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(1), 1)
    order = np.argsort(p @ np.arange(4))
    assert (np.diff(p[order, 0]) <= 1e-12).all()  # one direction: the lowest grade only falls
    assert (np.diff(p[order, 3]) >= -1e-12).all()


def test_turning_the_grades_round_turns_the_probabilities_round() -> None:
    x, y = graded(120, 5, 4)
    one, two = OrdinalProbe(1.0).fit(x, y), OrdinalProbe(1.0).fit(x, 3 - y)
    np.testing.assert_allclose(one.predict_proba(x), two.predict_proba(x)[:, ::-1], atol=1e-5)


def test_few_graded_items_are_used_better_than_by_classes() -> None:
    kappas = {OrdinalProbe: [], LogisticProbe: []}
    for seed in range(5):
        x, y = graded(1060, 20, 5, seed=seed, noise=0.2)
        for probe, found in kappas.items():
            guess = probe(1.0).fit(x[:60], y[:60]).predict(x[60:])
            found.append(cohen_kappa_score(y[60:], guess, weights="quadratic"))
    assert np.mean(kappas[OrdinalProbe]) > np.mean(kappas[LogisticProbe]) + 0.02


def test_alone_it_chooses_among_the_grid() -> None:
    x, y = graded(300, 20, 4)
    probe = OrdinalProbe().fit(x[:200], y[:200])
    assert probe.best_["Cs"] in CS
    assert probe.score(x[200:], y[200:]) > 0.35


def test_labels_are_refused() -> None:
    with pytest.raises(InputError, match="takes classes, not multi-label"):
        OrdinalProbe().fit(np.eye(4), np.eye(4)[:, :2])
    with pytest.raises(InputError, match="every C must be positive"):
        ordinal_path(np.eye(4), np.array([0, 1, 0, 1]), [0.0])
