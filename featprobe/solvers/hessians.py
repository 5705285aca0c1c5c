"""Which model of the Hessian a path takes, by what the rounds without a better one have cost."""

from __future__ import annotations

import numpy as np

from featprobe.solvers.curvature import Curvature, Inverse
from featprobe.solvers.problem import Problem

EAGER = 0.3  # of the price of a model, which rounds without it have to cost
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
        self.latest, self.ridges, self._turn = start.copy(), ridges, 0
        self._renewed = False
        self._exact = self.plain > problem.price_dense(len(ridges))
        if self._exact:
            self.inverse: Inverse = problem.dense(middle, ridges)
            return self.inverse
        self.plain = 0.0
        apart = problem.per > 1 and self.spent > EAGER * problem.price(True)
        if self.spent > EAGER * problem.price(apart):
            return self._turned(middle, apart)
        self.model = problem.curvature(middle, self.model)
        self.inverse = self.model.inverse(ridges)
        return self.inverse

    def renew(self, left: np.ndarray, x: np.ndarray) -> Inverse | None:
        """After a round of the problems ``left``, which are at ``x``: a better model, made at the
        middle one of these, where one pays.

        Of one sigmoid and of each label it is the Hessian itself there. Of a softmax that is too
        large for this a turned model only comes near to it, and is made once in a group.
        """
        problem = self.problem
        self.latest.reshape(-1, problem.size)[left] = x
        self._turn += 1
        if self._exact or self._turn <= FEW:
            return None
        cost = problem.cost(len(left))
        self.spent, self.plain = self.spent + cost, self.plain + cost
        middle = self.latest[left[len(left) // 2] // problem.per]
        apart = problem.per > 1
        if problem.joint:
            self._exact = self.plain > problem.price_dense(len(self.ridges))
            if self._exact:
                self.inverse = problem.dense(middle, self.ridges)
            elif self._renewed or self.spent <= EAGER * problem.price(False):
                return None
            else:
                self._turned(middle, False)
                self._renewed = True
        elif self.spent > EAGER * problem.price(apart):
            self._turned(middle, apart)
            self._turn = 0
        else:
            return None
        return self.inverse.take(left)

    def _turned(self, point: np.ndarray, apart: bool) -> Inverse:
        self.model, self.spent = self.problem.turned(point, apart), 0.0
        self.inverse = self.model.inverse(self.ridges)
        return self.inverse
