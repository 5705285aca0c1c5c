"""L2-regularised logistic regression for a whole path of C.

The objective is scikit-learn's, ``C * sum(log-loss) + |w|^2 / 2`` with the intercept unpenalised,
divided by ``C * N``: mean log-loss + ``lambda / 2 * |w|^2`` with ``lambda = 1 / (C * N)``. Two
classes are one sigmoid, more are one softmax, independent labels are one sigmoid each.

Features are centred and rotated once to the eigenbasis of their Gram matrix (the n x n kernel's
where that is smaller), in which the Hessian is nearly the diagonal ``a * eigenvalue + lambda``,
a = the mean of p (1 - p). L-BFGS with that diagonal solves a few neighbouring C at once, all
classes and labels in one matrix product; each group starts where the ones before it point to.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.numeric import sigmoid, softmax
from featprobe.core.threads import cores, one_blas_thread
from featprobe.solvers.eigenbasis import Eigenbasis
from featprobe.solvers.grids import positive
from featprobe.solvers.lbfgs import Evaluate, History, minimize
from featprobe.solvers.losses import sigmoid_loss, softmax_loss

TOLERANCE = {"float32": 1e-7, "float64": 1e-9}  # of the value, see lbfgs.minimize
DOUBLE = 2_000_000  # values of features: up to here float64 costs little
THREADS = 2_000_000  # values of features: up to here threads only wait for each other
BLOCK = 2048  # rows whose logits stay in the processor's cache
COLUMNS = 32  # of one product: more C at once start further from their optimum
SAMPLE = 4096  # rows on which the curvature is estimated


@dataclass(frozen=True)
class LogisticPath:
    """Optima for each C, in the order given: ``coef`` (nC, K, D), ``intercept`` (nC, K).

    K is 1 for two classes (the log-odds of the second), else the number of classes or labels.
    ``objective`` (nC,): mean log-loss, summed over labels, + |w|^2 / (2 C N). ``gradient`` (nC,):
    the largest norm of its gradient, of a label's problem. ``iterations`` (nC,): evaluations of the
    slowest problem. ``converged`` (nC,).
    """

    Cs: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    objective: np.ndarray
    gradient: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray
    softmax: bool

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(nC, N, C) probabilities; (nC, N, 1) of the second class for two classes."""
        count, k, d = self.coef.shape
        logits = (x @ self.coef.reshape(-1, d).T).reshape(len(x), count, k).transpose(1, 0, 2)
        logits = logits + self.intercept[:, None]
        return softmax(logits, axis=2) if self.softmax else sigmoid(logits)


def logistic_path(
    x: np.ndarray,
    y: np.ndarray,
    Cs: Sequence[float],
    *,
    sample_weight: np.ndarray | None = None,
    tolerance: float | None = None,
) -> LogisticPath:
    """Fit the path.

    ``x`` (N, D), standardised or not; ``y`` int (N,) classes 0 .. K-1 (two: one sigmoid, more:
    softmax), or float (N, K) of 0, 1 and NaN: independent labels, unknown ones masked. ``Cs``
    positive. ``sample_weight`` (N,), or (N, K) for labels, multiplies each log-loss (class weights
    are weights of samples). ``tolerance``: the estimated distance from the optimum relative to the
    objective at which a problem ends; by default 1e-9, and 1e-7 for large ``x``, whose products
    are in float32 with sums in float64.

    Raises :class:`InputError` for a C that is not positive, or weights that are negative.
    """
    grid = positive(Cs, "C")
    order = np.argsort(grid)
    with one_blas_thread(), ThreadPoolExecutor(cores()) as pool:
        problem = _Problem(np.asarray(x), Targets.of(y, sample_weight), pool)
        solved = _follow(problem, grid[order], tolerance)
    back = np.argsort(order)
    coef, intercept, objective, gradient, steps, done = (column[back] for column in solved)
    kind = problem.targets.sign is None
    return LogisticPath(grid, coef, intercept, objective, gradient, steps, done, kind)


@dataclass(frozen=True)
class Targets:
    """What the log-losses are of.

    ``codes`` (1, N): classes of a softmax, else None. ``sign`` (K, N): -1 of positives and 1 of
    negatives of each sigmoid, else None. ``weight`` (1 or K, N), None where all are 1.
    """

    classes: int
    codes: np.ndarray | None
    sign: np.ndarray | None
    weight: np.ndarray | None

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Targets:
        """Of int (N,) classes or float (N, K) labels; see :func:`logistic_path`."""
        y = np.asarray(y)
        options = None
        if sample_weight is not None:
            options = np.atleast_2d(np.asarray(sample_weight, dtype=float).T)
            if options.shape not in ((1, len(y)), y.T.shape) or not (options >= 0).all():
                raise InputError(
                    f"sample weights must be {len(y)} numbers that are not negative, not of shape "
                    f"{options.T.shape}"
                )
        if y.ndim == 1 and int(y.max()) > 1:
            return cls(int(y.max()) + 1, y[None].astype(np.int64), None, options)
        labels = np.atleast_2d(y.T).astype(float)
        known = ~np.isnan(labels)
        if not known.all():
            options = known * (1.0 if options is None else options)
        return cls(len(labels), None, np.where(labels == 1, -1.0, 1.0), options)

    @property
    def per(self) -> int:
        """Independent problems at one C: one softmax, or a sigmoid for each label."""
        return 1 if self.sign is None else self.classes

    def intercepts(self) -> np.ndarray:
        """(K,) optimal intercepts of features that say nothing."""
        if self.sign is None:
            positive = np.arange(self.classes)[:, None] == self.codes
        else:
            positive = self.sign < 0
        weight = np.ones((1, positive.shape[1])) if self.weight is None else self.weight
        floor = 1 / (positive.shape[1] + 1)
        rate = (positive * weight).sum(1) / np.maximum(weight.sum(1), 1e-12)
        rate = np.clip(rate, floor, 1 - floor)
        return np.log(rate) if self.sign is None else np.log(rate / (1 - rate))

    def astype(self, dtype: np.dtype) -> Targets:
        """The same in another precision."""
        sign, weight = (None if a is None else a.astype(dtype) for a in (self.sign, self.weight))
        return replace(self, sign=sign, weight=weight)

    def losses(
        self, logits: np.ndarray, labels: np.ndarray, rows: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Summed losses (P,) and derivatives by the logits (columns, n) of some samples.

        ``labels`` (P,): which problem each is; the logits may be overwritten.
        """
        if self.codes is not None:
            weight = None if self.weight is None else self.weight[:, rows]
            by_class = logits.reshape(len(labels), self.classes, -1)
            return softmax_loss(by_class, self.codes[:, rows], weight)[0], logits
        assert self.sign is not None
        weight = None if self.weight is None else self.weight[labels % len(self.weight), rows]
        return sigmoid_loss(logits, self.sign[labels, rows], weight)


def _follow(problem: _Problem, Cs: np.ndarray, tolerance: float | None) -> list[np.ndarray]:
    """Coefficients, intercepts, objectives, gradients, evaluations, whether converged, per C."""
    per, width, dtype = problem.targets.per, problem.size, problem.z.dtype
    ridges, count = 1 / (Cs * len(problem.z)), len(Cs)
    tolerance = TOLERANCE[dtype.name] if tolerance is None else tolerance
    together = int(np.clip(COLUMNS // problem.targets.classes, 1, 5))
    state = np.empty((count, per, width), dtype)
    value, gradient = np.empty((count, per)), np.empty((count, per))
    steps, done = np.empty((count, per), np.int64), np.empty((count, per), bool)
    for first in range(0, count, together):
        now = np.arange(first, min(first + together, count))
        shape = (len(now), per)
        evaluate = problem.evaluate(np.repeat(ridges[now], per))
        before = state[first - 1] if first else problem.start
        start = np.broadcast_to(before, (*shape, width)).reshape(-1, width)
        if first > 1:
            start = _better(evaluate, start, _ahead(state, np.log(Cs), now).reshape(-1, width))
        history = History(problem.inverse_diagonal(before, ridges[now]))
        found = minimize(evaluate, start.astype(dtype), history, tolerance=tolerance)
        state[now] = found.x.reshape(*shape, width)
        gradient[now] = np.linalg.norm(found.gradient, axis=1).reshape(shape)
        value[now], steps[now] = found.value.reshape(shape), found.evaluations.reshape(shape)
        done[now] = found.converged.reshape(shape)
    coef, intercept = problem.unpack(state)
    return [coef, intercept, value.sum(1), gradient.max(1), steps.max(1), done.all(1)]


def _ahead(state: np.ndarray, at: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Where the parabola through the last three optima along log C leads."""
    known = np.arange(max(0, now[0] - 3), now[0])
    out = np.zeros((len(now), *state.shape[1:]), state.dtype)
    for i in known:
        others = known[known != i]
        factor = ((at[now][:, None] - at[others]) / (at[i] - at[others])).prod(1)
        out += factor[:, None, None].astype(state.dtype) * state[i]
    return out


def _better(evaluate: Evaluate, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of two starts of each problem the one with the lower value."""
    every = np.arange(len(one))
    lower = evaluate(every, other)[0] < evaluate(every, one)[0]
    return np.where(lower[:, None], other, one)


class _Problem:
    """The data in the eigenbasis, and the objective for some ridges and labels.

    A problem's variables (size,) are, for each class it has, r rotated weights and the intercept.
    """

    def __init__(self, x: np.ndarray, targets: Targets, pool: ThreadPoolExecutor) -> None:
        dtype = np.dtype(np.float64 if x.size <= DOUBLE else np.float32)
        self.basis = Eigenbasis.of(x, dtype)
        self.z, self.targets, self.pool = self.basis.z, targets.astype(dtype), pool
        n, r = self.z.shape
        k, per = targets.classes, targets.per
        self.each = k // per  # classes of one problem
        self.size = self.each * (r + 1)
        self.penalised = np.tile(np.r_[np.ones(r), 0.0], self.each).astype(dtype)
        start = np.zeros((k, r + 1))
        start[:, -1] = targets.intercepts()
        self.start = start.reshape(per, self.size)
        workers = cores() if x.size > THREADS else 1
        edges = np.linspace(0, n, workers + 1).astype(int)
        self.parts = list(pairwise(edges))

    def inverse_diagonal(self, state: np.ndarray, ridges: np.ndarray) -> np.ndarray:
        """(len(ridges) * per, size): one over the Hessian's diagonal, near a state (per, size)."""
        n, r = self.z.shape
        rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(int))
        w = state.reshape(-1, r + 1).astype(self.z.dtype)
        logits = w[:, :-1] @ self.z[rows].T + w[:, -1:]
        p = softmax(logits, axis=0) if self.targets.sign is None else sigmoid(logits)
        spread = p * (1 - p)
        if self.targets.weight is not None:
            spread = spread * self.targets.weight[:, rows]
        curvature = np.outer(spread.mean(1), np.r_[self.basis.values, 1.0])
        diagonal = curvature.reshape(1, -1, self.size) + ridges[:, None, None] * self.penalised
        return (1 / np.maximum(diagonal, 1e-12)).reshape(-1, self.size).astype(self.z.dtype)

    def evaluate(self, ridges: np.ndarray) -> Evaluate:
        """Value and gradient of problems with these ridges (P,), labels in turn."""
        labels = np.tile(np.arange(self.targets.per), len(ridges) // self.targets.per)

        def function(which: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            w = v.reshape(len(v) * self.each, -1)
            weights, intercepts = np.ascontiguousarray(w[:, :-1]), w[:, -1:]
            done = self.pool.map(
                lambda part: self._rows(part, weights, intercepts, labels[which]), self.parts
            )
            losses, gradients = zip(*done)
            n, ridge = len(self.z), ridges[which]
            kept = v * self.penalised
            gradient = sum(gradients[1:], gradients[0]).reshape(v.shape) / n
            gradient += ridge[:, None].astype(v.dtype) * kept
            norm = np.einsum("pm,pm->p", kept, kept, dtype=np.float64)
            return sum(losses[1:], losses[0]) / n + ridge / 2 * norm, gradient

        return function

    def _rows(
        self, part: tuple[int, int], w: np.ndarray, b: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Summed losses (P,) and gradients (P * each, r + 1) of some rows."""
        loss, gradient = np.zeros(len(labels)), np.zeros((len(w), w.shape[1] + 1), w.dtype)
        for start in range(part[0], part[1], BLOCK):
            rows = slice(start, min(start + BLOCK, part[1]))
            z = self.z[rows]
            cost, residual = self.targets.losses(w @ z.T + b, labels, rows)
            loss += cost
            gradient[:, :-1] += residual @ z
            gradient[:, -1] += residual.sum(1)
        return loss, gradient

    def unpack(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (nC, K, D) and intercepts (nC, K) for the features as given."""
        w = state.astype(np.float64).reshape(len(state), -1, self.z.shape[1] + 1)
        coef = w[:, :, :-1] @ self.basis.vectors.T
        return coef, w[:, :, -1] - coef @ self.basis.mean
