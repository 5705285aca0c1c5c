"""Which model of the Hessian a path takes, by what the rounds without a better one have cost."""

from __future__ import annotations

import numpy as np

from featprobe.solvers.curvature import Curvature, Inverse
from featprobe.solvers.problem import Problem

EAGER = 0.5  # of the price of a model, which rounds without it have to cost
FEW = 12  # rounds that the best model needs as well: only those beyond count


class Hessians:
    """What is known of the Hessian along a path.

    A model that is turned to the weighted samples, or the Hessian itself, is made when the rounds
    before that it could have spared cost about as much, between two groups of C or within one.
    Costs are counted in multiplications, so that nothing depends on a clock.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model: Curvature | None = None
        self.spent = 0.0  # since the model was turned
        self.plain = 0.0  # by the last group that began without the Hessian itself
        self._exact = False

    def begin(self, start: np.ndarray, ridges: np.ndarray) -> Inverse:
        """For problems that start at (G, per, size), with each of ``ridges`` (G,)."""
        problem, middle = self.problem, start[len(ridges) // 2]
        self.latest, self.ridges, self._turn, self._eager = start.copy(), ridges, 0, EAGER
        self._exact = self.plain > EAGER * problem.price_dense(len(ridges))
        if not self._exact:
            self.plain = 0.0
        if self._exact or self.spent > EAGER * problem.price():
            return self._made(middle)
        self.model = problem.curvature(middle, self.model)
        self.inverse: Inverse = self.model.inverse(ridges)
        return self.inverse

    def renew(self, left: np.ndarray, x: np.ndarray) -> Inverse | None:
        """After a round of the problems ``left``, which are at ``x``: a better model, made at the
        middle one of these, where one pays."""
        problem = self.problem
        self.latest.reshape(-1, problem.size)[left] = x
        self._turn += 1
        if self._turn <= FEW:
            return None
        cost, exact = problem.cost(len(left)), problem.price_dense(len(self.ridges))
        self.spent, self.plain = self.spent + cost, self.plain + cost
        self._exact |= self.plain > EAGER * exact
        if self.spent <= self._eager * (exact if self._exact else problem.price()):
            return None
        self._turn, self._eager = 0, 2 * self._eager  # one that was of no use is not made for ever
        return self._made(self.latest[left[len(left) // 2] // problem.per]).take(left)

    def _made(self, point: np.ndarray) -> Inverse:
        self.spent = 0.0
        if self._exact:
            self.inverse = self.problem.dense(point, self.ridges)
        else:
            self.model = self.problem.turned(point)
            self.inverse = self.model.inverse(self.ridges)
        return self.inverse
