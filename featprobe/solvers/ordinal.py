"""Proportional odds with an L2 penalty, for a whole path of C.

The model is McCullagh's (1980) with the logistic link: P(y <= k | x) = sigmoid(theta_k - w x) for
K grades and K - 1 increasing thresholds. The objective is ``C * sum(-log P(y | x)) + |w|^2 / 2``,
thresholds unpenalised, divided by ``C * N``, so that two grades are exactly the logistic
regression of :mod:`featprobe.solvers.logistic`. It is convex in w and theta (Pratt 1981); the
thresholds are kept in order by their logarithmic steps, which moves no optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.core.numeric import sigmoid
from featprobe.core.threads import one_blas_thread
from featprobe.solvers.eigenbasis import Eigenbasis
from featprobe.solvers.grids import positive

GRADIENT_TOLERANCE = 1e-7
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class OrdinalPath:
    """Optima for each C in the order given: ``coef`` (nC, D), ``thresholds`` (nC, K - 1).

    ``objective`` (nC,): mean negative log-likelihood + |w|^2 / (2 C N).
    """

    Cs: np.ndarray
    coef: np.ndarray
    thresholds: np.ndarray
    objective: np.ndarray
    converged: np.ndarray

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(nC, N, K) probabilities of the grades."""
        latent = (x @ self.coef.T).T  # (nC, N)
        upper = sigmoid(self.thresholds[:, None] - latent[:, :, None])
        return np.diff(upper, axis=2, prepend=0.0, append=1.0)


def ordinal_path(x: np.ndarray, y: np.ndarray, Cs: Sequence[float]) -> OrdinalPath:
    """Fit the path.

    ``x`` (N, D); ``y`` int (N,) grades 0 .. K-1, each of which occurs. Raises :class:`InputError`
    for a C that is not positive.
    """
    grid = positive(Cs, "C")
    n = len(x)
    turned = Eigenbasis.of(x, np.dtype(np.float64))
    grades = int(y.max()) + 1
    share = np.cumsum(np.bincount(y, minlength=grades))[:-1] / n
    start = np.log(share / (1 - share))
    state = np.concatenate([np.zeros(len(turned.values)), start[:1], np.log(np.diff(start))])
    order = np.argsort(grid)
    found = []
    with one_blas_thread():
        for c in grid[order]:
            state, value, done = _solve(turned.z, turned.values, y, 1 / (c * n), state, grades)
            w = turned.axes.back(state[: len(turned.values)])
            theta = _thresholds(state[len(turned.values) :]) + w @ turned.mean
            found.append((w, theta, value, done))
    back = np.argsort(order)
    return OrdinalPath(grid, *(np.array(column)[back] for column in zip(*found)))


def _solve(
    z: np.ndarray, values: np.ndarray, y: np.ndarray, ridge: float, state: np.ndarray, grades: int
) -> tuple[np.ndarray, float, bool]:
    """Minimise for one lambda from a state: rotated weights, first threshold, log steps.

    The curvature of -log P in the latent value is at most 1/4 to either side, which bounds the
    Hessian of the weights by a diagonal: L-BFGS runs in coordinates scaled by its square root.
    """
    from scipy.optimize import minimize

    r = len(values)
    scale = np.concatenate([np.sqrt(values / 4 + ridge), np.full(grades - 1, 0.5)])

    def objective(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _objective(u / scale, z, y, ridge, r)
        return value, gradient / scale

    found = minimize(
        objective, state * scale, jac=True, method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "maxcor": 20, "gtol": GRADIENT_TOLERANCE, "ftol": 0},
    )  # fmt: skip
    done = bool(np.abs(found.jac).max() <= 10 * GRADIENT_TOLERANCE)
    return found.x / scale, float(found.fun), done


def _objective(
    state: np.ndarray, z: np.ndarray, y: np.ndarray, ridge: float, r: int
) -> tuple[float, np.ndarray]:
    """Value and gradient of the objective at a state."""
    w, steps = state[:r], state[r:]
    n, theta = len(z), _thresholds(steps)
    edges = np.concatenate([[-np.inf], theta, [np.inf]])
    latent = z @ w
    high, low = edges[y + 1] - latent, edges[y] - latent
    # log(s(high) - s(low)) = log s(high) + log s(-low) + log(1 - exp(low - high))
    rest = -np.expm1(low - high)
    loss = np.logaddexp(0, -high) + np.logaddexp(0, low) - np.log(rest)
    ratio = (1 - rest) / rest
    at_high = sigmoid(-high) + ratio  # d log P / d high
    at_low = -sigmoid(low) - ratio
    gradient = np.empty_like(state)
    gradient[:r] = z.T @ (at_high + at_low) / n + ridge * w
    k = len(theta)
    by_edge = np.bincount(y + 1, at_high, k + 2) + np.bincount(y, at_low, k + 2)
    by_theta = -by_edge[1 : k + 1] / n
    gradient[r] = by_theta.sum()
    later = np.cumsum(by_theta[::-1])[::-1]  # a step moves all thresholds behind it
    gradient[r + 1 :] = later[1:] * np.exp(steps[1:])
    return loss.sum() / n + ridge / 2 * (w @ w), gradient


def _thresholds(steps: np.ndarray) -> np.ndarray:
    """The first threshold and logarithms of the steps to the next, to thresholds."""
    return np.cumsum(np.concatenate([steps[:1], np.exp(steps[1:])]))
