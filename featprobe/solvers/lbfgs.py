"""Many smooth convex problems minimised side by side by L-BFGS.

Each problem has a step length, a history and an end of its own; what they share is one evaluation a
round, so that the matrix products of all of them are one product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from featprobe.solvers.curvature import Inverse

MEMORY = 10  # curvature pairs kept: 5 to 20 take as many rounds
ARMIJO = 1e-4
STUCK = 1e-3  # of the value, which a step promises where it has stopped to fall: not the minimum
PATIENCE = 16  # evaluations without a fall beyond rounding: the value is as low as it gets

# (indices of the problems (p,), points (p, M)) -> values (p,) float64, gradients (p, M)
Known = tuple[np.ndarray, np.ndarray]
Evaluate = Callable[[np.ndarray, np.ndarray], Known]

# (indices of the problems that are left (p,), their points (p, M)) -> a better inverse Hessian of
# these, or None
Renew = Callable[[np.ndarray, np.ndarray], "Inverse | None"]


@dataclass
class Minima:
    """Where P problems ended: points ``x`` (P, M), ``value`` (P,), ``gradient`` (P, M).

    ``decrement`` (P,): half of g' H g, H the last inverse Hessian estimate: about how far the value
    lies above the minimum. ``evaluations`` (P,), ``converged`` (P,), and of these ``near`` (P,):
    ended within the tolerance, and not because the value stopped to fall.
    """

    x: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    decrement: np.ndarray
    evaluations: np.ndarray
    converged: np.ndarray
    near: np.ndarray


class History:
    """The last curvature pairs of P problems, and the direction they give."""

    def __init__(self, inverse: Inverse, memory: int = MEMORY) -> None:
        """``inverse``: the inverse Hessian to begin with, up to a factor that follows the last
        pair (Nocedal and Wright 2006, equation 7.20)."""
        self.inverse, self.memory = inverse, memory
        self.scale: np.ndarray | None = None
        self.pairs: list[tuple[np.ndarray, ...]] = []  # s and y (P, M), 1 / s.y (P,)

    def add(self, s: np.ndarray, y: np.ndarray) -> None:
        """A pair for every problem; one without curvature (s = 0) leaves its problem as it was."""
        curvature = _dot(s, y)
        known = curvature > 1e-30
        ratio = curvature / np.maximum(_dot(y, self.inverse(y)), 1e-30)
        self.scale = np.where(known, ratio, 1 if self.scale is None else self.scale).astype(y.dtype)
        with np.errstate(divide="ignore"):
            rho = np.where(known, 1 / curvature, 0).astype(s.dtype)
        self.pairs = [*self.pairs[-self.memory + 1 :], (s, y, rho)]

    def renew(self, inverse: Inverse) -> None:
        """Begin again from a better inverse Hessian: pairs of far points are of another one."""
        self.inverse, self.scale, self.pairs = inverse, None, []

    def take(self, rows: np.ndarray) -> None:
        """Go on with some of the problems."""
        self.inverse = self.inverse.take(rows)
        self.scale = None if self.scale is None else self.scale[rows]
        self.pairs = [(s[rows], y[rows], rho[rows]) for s, y, rho in self.pairs]

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """-H g (P, M) by the two-loop recursion (Nocedal and Wright 2006, algorithm 7.4)."""
        q = -gradient
        alphas = []
        for s, y, rho in reversed(self.pairs):
            alpha = (rho * _dot(s, q))[:, None].astype(q.dtype)
            q -= alpha * y
            alphas.append(alpha)
        q = self.inverse(q)
        if self.scale is not None:
            q *= self.scale[:, None]
        for (s, y, rho), alpha in zip(self.pairs, reversed(alphas)):
            q += s * (alpha - (rho * _dot(y, q))[:, None].astype(q.dtype))
        return q


def minimize(
    evaluate: Evaluate,
    start: np.ndarray,
    history: History,
    *,
    tolerance: float,
    most: int = 2000,
    patience: int = PATIENCE,
    renew: Renew | None = None,
    known: Known | None = None,
) -> Minima:
    """Minimise P convex problems from ``start`` (P, M), in its precision.

    A problem ends when it is within ``tolerance`` times its value of the minimum, when its value
    has stopped to fall (not converged if a step still promises a thousandth of it), or after
    ``most`` evaluations, not converged. How far the minimum is, is
    estimated as the decrement times the evaluations so far: the decrement alone is what one more
    step would gain, and a problem that took a hundred is a hundred such steps away (measured
    against minima in float64: the estimate is within a factor of 3). ``history`` is extended, and
    goes on from a better inverse Hessian where ``renew`` has one after a round. ``known``: value
    and gradient at ``start``, where they have been evaluated.
    """
    count = len(start)
    slack = float(np.finfo(start.dtype).eps) / 2  # values closer than this are equal
    left = np.arange(count)
    x = start.copy()
    value, gradient = known or evaluate(left, x)
    out = Minima(
        x.copy(), value.copy(), gradient.copy(), np.full(count, np.inf),
        np.ones(count, dtype=np.int64), np.zeros(count, dtype=bool),
        np.zeros(count, dtype=bool),
    )  # fmt: skip
    direction = history.direction(gradient)
    slope = _dot(gradient, direction)
    step = np.ones(count)
    falls = np.full((count, patience), np.inf)  # values of the last evaluations
    for turn in range(most):
        falls[:, turn % patience] = value
        oldest = falls[:, (turn + 1) % patience]
        near = -slope / 2 * (turn + 1) <= tolerance * np.abs(value)
        done = near | (oldest - value <= 2 * slack * np.abs(value))
        done &= turn > 0  # strongly regularised weights change no value, but they rank
        if done.any():
            gone, who = done, left[done]
            out.x[who], out.value[who], out.gradient[who] = x[gone], value[gone], gradient[gone]
            out.decrement[who] = -slope[gone] / 2
            out.converged[who] = near[gone] | (-slope[gone] / 2 <= STUCK * np.abs(value[gone]))
            out.near[who] = near[gone]
            stay = np.flatnonzero(~gone)
            if not len(stay):
                return out
            left, x, value, gradient = left[stay], x[stay], value[stay], gradient[stay]
            direction, slope, step, falls = direction[stay], slope[stay], step[stay], falls[stay]
            history.take(stay)
        move = step[:, None].astype(x.dtype) * direction
        new_value, new_gradient = evaluate(left, x + move)
        out.evaluations[left] += 1
        better = new_value <= value + ARMIJO * step * slope + slack * np.abs(value)
        if better.all():
            history.add(move, new_gradient - gradient)
            x, value, gradient = x + move, new_value, new_gradient
            step[:] = 1
        else:
            mark = better[:, None]
            history.add(np.where(mark, move, 0), np.where(mark, new_gradient - gradient, 0))
            x = np.where(mark, x + move, x)
            gradient = np.where(mark, new_gradient, gradient)
            rise = new_value - value - step * slope
            shorter = np.clip(
                -slope * step**2 / (2 * np.maximum(rise, 1e-300)), 0.1 * step, 0.5 * step
            )
            step = np.where(better, 1.0, shorter)
            value = np.where(better, new_value, value)
        inverse = renew(left, x) if renew else None
        if inverse is not None:
            history.renew(inverse.astype(x.dtype))
            step = np.ones(len(left))
            better[:] = True
        fresh = history.direction(gradient)
        direction = fresh if better.all() else np.where(better[:, None], fresh, direction)
        slope = _dot(gradient, direction)
    out.x[left], out.value[left], out.gradient[left] = x, value, gradient
    out.decrement[left] = -slope / 2
    return out


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row-wise products (P,), summed in float64 where it costs nothing."""
    return np.einsum("pm,pm->p", a, b).astype(np.float64)
