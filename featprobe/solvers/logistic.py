"""L2-regularised logistic regression for a whole path of C.

The objective is scikit-learn's, ``C * sum(log-loss) + |w|^2 / 2`` with the intercept unpenalised,
divided by ``C * N``: mean log-loss + ``lambda / 2 * |w|^2`` with ``lambda = 1 / (C * N)``. Two
classes are one sigmoid, more are one softmax, independent labels are one sigmoid each.

Features are centred and rotated once to the eigenbasis of their Gram matrix (the n x n kernel's
where that is smaller), in which every Hessian is bounded by the diagonal ``a * eigenvalue +
lambda``, a = p (1 - p) at the base rate. L-BFGS runs in coordinates scaled by its square root,
warm-started along ascending C.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np

from featprobe.errors import InputError
from featprobe.threads import one_blas_thread

GRADIENT_TOLERANCE = 1e-7
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class LogisticPath:
    """Optima for each C, ascending as given: ``coef`` (nC, K, D), ``intercept`` (nC, K).

    K is 1 for two classes (the log-odds of the second), else the number of classes or labels.
    ``objective`` (nC,): mean log-loss + |w|^2 / (2 C N). ``iterations`` (nC,), ``converged`` (nC,).
    """

    Cs: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    objective: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray
    softmax: bool

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(nC, N, C) probabilities; (nC, N, 1) of the second class for two classes."""
        logits = np.einsum("nd,ckd->cnk", x, self.coef, optimize=True) + self.intercept[:, None]
        if self.softmax:
            p = np.exp(logits - logits.max(2, keepdims=True))
            return p / p.sum(2, keepdims=True)
        return _sigmoid(logits)


def logistic_path(x: np.ndarray, y: np.ndarray, Cs: Sequence[float]) -> LogisticPath:
    """Fit the path.

    ``x`` (N, D), standardised or not; ``y`` int (N,) classes 0 .. K-1 (two: one sigmoid, more:
    softmax), or float (N, K) of 0, 1 and NaN: independent labels, unknown ones masked. ``Cs``
    positive. Raises :class:`InputError` for a C that is not positive.
    """
    grid = np.asarray(Cs, dtype=np.float64)
    if grid.ndim != 1 or not len(grid) or not ((grid > 0) & (grid < np.inf)).all():
        raise InputError(f"every C must be positive and finite, not {list(Cs)}")
    problem = _Problem(np.asarray(x, dtype=np.float64), np.asarray(y))
    order = np.argsort(grid)
    results: list[tuple[np.ndarray, np.ndarray, float, int, bool]] = []
    state: np.ndarray | None = None
    with _threads(problem):
        for c in grid[order]:
            state, value, iterations, converged = problem.solve(1 / (c * len(x)), state)
            results.append((*problem.unpack(state), value, iterations, converged))
    back = np.argsort(order)
    coef, intercept, objective, steps, done = (np.array(c)[back] for c in zip(*results))
    return LogisticPath(grid, coef, intercept, objective, steps, done, problem.softmax)


def _threads(problem: _Problem) -> AbstractContextManager[object]:
    """One BLAS thread for small products, all of them for large ones."""
    if problem.z.size * problem.y.shape[1] > 50_000_000:
        return nullcontext()
    return one_blas_thread()


class _Problem:
    """The data in the eigenbasis, and the objective in scaled coordinates."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.mean = x.mean(0)
        centred = x - self.mean
        n, d = x.shape
        small = centred @ centred.T if n < d else centred.T @ centred
        values, vectors = np.linalg.eigh(small / n)
        keep = values > values[-1] * 1e-12 if values[-1] > 0 else np.zeros(len(values), bool)
        self.values, vectors = values[keep], vectors[:, keep]
        if n < d:  # kernel eigenvectors to feature eigenvectors
            self.basis = centred.T @ vectors / np.sqrt(n * self.values)
            self.z = vectors * np.sqrt(n * self.values)
        else:
            self.basis = vectors
            self.z = centred @ vectors
        self.softmax = False
        if y.ndim == 2:
            self.mask = ~np.isnan(y)
            self.y = np.where(self.mask, y, 0.0)
        elif (classes := int(y.max()) + 1) > 2:
            self.softmax, self.y = True, np.eye(classes)[y]
            self.mask = np.ones((1, 1))
        else:
            self.y, self.mask = y[:, None].astype(float), np.ones((1, 1))
        weight = np.broadcast_to(self.mask, self.y.shape).sum(0) / n
        rate = np.clip(self.y.sum(0) / np.maximum(weight * n, 1), 1 / (n + 1), n / (n + 1))
        self.curvature = np.maximum(weight * rate * (1 - rate), 1e-6)
        self.start = np.log(rate) if self.softmax else np.log(rate / (1 - rate))

    def solve(self, ridge: float, state: np.ndarray | None) -> tuple[np.ndarray, float, int, bool]:
        """Minimise for one lambda from a state (r + 1, K): rotated weights above the intercept."""
        from scipy.optimize import minimize

        r, k = len(self.values), self.y.shape[1]
        if state is None:
            state = np.vstack([np.zeros((r, k)), self.start])
        scale = np.sqrt(np.outer(np.r_[self.values, 1.0], self.curvature) + ridge)
        scale[-1] = np.sqrt(self.curvature)

        def objective(u: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self.value(u.reshape(r + 1, k) / scale, ridge)
            return value, (gradient / scale).ravel()

        found = minimize(
            objective, (state * scale).ravel(), jac=True, method="L-BFGS-B",
            options={"maxiter": MAX_ITERATIONS, "maxcor": 20, "gtol": GRADIENT_TOLERANCE,
                     "ftol": 0},
        )  # fmt: skip
        gradient = float(np.abs(found.jac).max())
        return (
            found.x.reshape(r + 1, k) / scale,
            float(found.fun),
            int(found.nit),
            gradient <= 10 * GRADIENT_TOLERANCE,
        )

    def value(self, state: np.ndarray, ridge: float) -> tuple[float, np.ndarray]:
        """Objective and gradient (r + 1, K) at a state."""
        w, n = state[:-1], len(self.z)
        logits = self.z @ w + state[-1]
        if self.softmax:
            top = logits.max(1, keepdims=True)
            e = np.exp(logits - top)
            total = e.sum(1, keepdims=True)
            loss = (np.log(total) + top).sum() - (logits * self.y).sum()
            residual = e / total - self.y
        else:
            loss = ((np.logaddexp(0, logits) - logits * self.y) * self.mask).sum()
            residual = (_sigmoid(logits) - self.y) * self.mask
        gradient = np.vstack([self.z.T @ residual / n + ridge * w, residual.sum(0) / n])
        return loss / n + ridge / 2 * (w * w).sum(), gradient

    def unpack(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (K, D) and intercepts (K,) for the features as given."""
        coef = (self.basis @ state[:-1]).T
        return coef, state[-1] - coef @ self.mean


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(z / 2))
