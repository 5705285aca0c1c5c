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
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace

import numpy as np

from featprobe.core.numeric import sigmoid, softmax
from featprobe.core.threads import cores, one_blas_thread
from featprobe.solvers.grids import positive
from featprobe.solvers.hessians import Hessians
from featprobe.solvers.lbfgs import Evaluate, History, Known, Minima, minimize
from featprobe.solvers.problem import Problem
from featprobe.solvers.targets import Targets

TOLERANCE = 1e-8  # of the value, see lbfgs.minimize
LOOSE = 1e-7  # where features are kept in float32
COLUMNS = 96  # of one product: more C at once start further from their optimum
MANY = 500_000_000  # multiplications from which BLAS may use all threads
TOGETHER = 9  # values of C
APART = 5  # of long rounds: fewer start nearer to their optimum
WIDE = 2  # times as many where a path is easy: BLAS multiplies with 16 columns twice as fast
EASY = 4  # rounds of the group before
SHORT = 6  # rounds in float32 without a fall beyond its rounding


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
    objective at which a problem ends, by default 1e-8, and 1e-7 for more than 2 million values.

    Raises :class:`InputError` for a C that is not positive, or weights that are negative.
    """
    grid = positive(Cs, "C")
    order = np.argsort(grid)
    x = np.asarray(x)
    long = x.size * min(x.shape) > MANY  # products and eigenvectors that are worth all threads
    with ThreadPoolExecutor(cores()) as pool:
        with nullcontext() if long else one_blas_thread():
            problem = Problem(x, Targets.of(y, sample_weight), pool)
        with one_blas_thread():
            if tolerance is None:
                tolerance = LOOSE if problem.large else TOLERANCE
            solved = _follow(problem, grid[order], tolerance)
    back = np.argsort(order)
    coef, intercept, objective, gradient, steps, done = (column[back] for column in solved)
    return LogisticPath(grid, coef, intercept, objective, gradient, steps, done, problem.joint)


def _follow(problem: Problem, Cs: np.ndarray, tolerance: float) -> list[np.ndarray]:
    """Coefficients, intercepts, objectives, gradients, evaluations, whether converged, per C."""
    per, width, count = problem.per, problem.size, len(Cs)
    ridges = 1 / (Cs * problem.n)
    most = max(1, COLUMNS // problem.classes)
    together = min(most, APART if problem.large else TOGETHER)
    state = np.empty((count, per, width))
    value, gradient = np.empty((count, per)), np.empty((count, per))
    steps, done = np.empty((count, per), np.int64), np.empty((count, per), bool)
    hessians = Hessians(problem)
    first, wide = 0, WIDE
    while first < count:
        now = np.arange(first, min(first + min(together * wide, most), count))
        shape = (len(now), per)
        evaluate = problem.evaluate(np.repeat(ridges[now], per))
        before = state[first - 1] if first else problem.start
        start = np.broadcast_to(before, (*shape, width)).reshape(-1, width).astype(np.float32)
        known = evaluate(np.arange(len(start)), start)
        if first > 1:
            ahead = _ahead(state, np.log(Cs), now).reshape(-1, width).astype(np.float32)
            start, known = _better(evaluate, start, known, ahead)
        hessians.begin(start.reshape(*shape, width), ridges[now])
        found = _solve(problem, evaluate, start, known, hessians, tolerance)
        state[now] = found.x.reshape(*shape, width)
        gradient[now] = np.linalg.norm(found.gradient, axis=1).reshape(shape)
        value[now], steps[now] = found.value.reshape(shape), found.evaluations.reshape(shape)
        done[now] = found.converged.reshape(shape)
        first += len(now)
        wide = WIDE if found.evaluations.mean() <= EASY else 1
    coef, intercept = problem.unpack(state)
    return [coef, intercept, value.sum(1), gradient.max(1), steps.max(1), done.all(1)]


def _solve(
    problem: Problem, evaluate: Evaluate, start: np.ndarray, known: Known, hessians: Hessians,
    tolerance: float,
) -> Minima:  # fmt: skip
    """The minima, in float64, from starts in float32 and what is known there.

    All rounds are in float32, of which few are too coarse: only problems whose value stopped to
    fall before they were near enough go on in float64.
    """
    double = np.dtype(np.float64)
    out = minimize(
        evaluate, start, History(hessians.inverse),
        tolerance=tolerance, patience=SHORT, renew=hessians.renew, known=known,
    )  # fmt: skip
    out = replace(out, x=out.x.astype(double), gradient=out.gradient.astype(double))
    if not problem.large:  # values and gradients are to be said more exactly than they were found
        out.value, out.gradient = evaluate(np.arange(len(start)), out.x)
        out.evaluations += 1
    left = np.flatnonzero(~out.near)
    if len(left):
        fine = minimize(
            lambda which, v: evaluate(left[which], v), out.x[left],
            History(hessians.inverse.take(left).astype(double)), tolerance=tolerance,
            renew=lambda which, v: hessians.renew(left[which], v),
        )  # fmt: skip
        fine.evaluations += out.evaluations[left]
        for field in fields(Minima):
            getattr(out, field.name)[left] = getattr(fine, field.name)
    return out


def _ahead(state: np.ndarray, at: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Where the parabola through the last three optima along log C leads."""
    known = np.arange(max(0, now[0] - 3), now[0])
    out = np.zeros((len(now), *state.shape[1:]), state.dtype)
    for i in known:
        others = known[known != i]
        factor = ((at[now][:, None] - at[others]) / (at[i] - at[others])).prod(1)
        out += factor[:, None, None].astype(state.dtype) * state[i]
    return out


def _better(
    evaluate: Evaluate, start: np.ndarray, known: Known, other: np.ndarray
) -> tuple[np.ndarray, Known]:
    """Of two starts of each problem the one with the lower value, and what is known there."""
    value, gradient = evaluate(np.arange(len(other)), other)
    lower = value < known[0]
    mark = lower[:, None]
    return np.where(mark, other, start), (
        np.where(lower, value, known[0]), np.where(mark, gradient, known[1]),
    )  # fmt: skip
