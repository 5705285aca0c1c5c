"""Which model of the Hessian each group of C on a path begins with, by what the last one cost."""

from __future__ import annotations

import numpy as np

from featprobe.solvers.curvature import Curvature, Inverse
from featprobe.solvers.problem import Problem

EAGER = 0.3  # of the price of a model, which rounds without it have to cost
FEW = 12  # rounds that the best model needs as well: only those beyond count


class Hessians:
    """What is known of the Hessian along a path.

    A model that is turned to the weighted samples, or the Hessian itself, is made when the rounds
    before that it could have spared cost about as much: of a path, most rounds are still to come.
    Costs are counted in multiplications, so that nothing depends on a clock.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model: Curvature | None = None
        self.spent = 0.0  # since the model was turned
        self.plain = 0.0  # by the last group that began without the Hessian itself
        self._exact = False

    def inverse(self, point: np.ndarray, ridges: np.ndarray) -> Inverse:
        """For problems that start near ``point`` (per, size), with each of ``ridges`` (G,)."""
        problem = self.problem
        self._exact = self.plain > EAGER * problem.price_dense(len(ridges))
        if self._exact:
            return problem.dense(point, ridges)
        apart = problem.per > 1 and self.spent > EAGER * problem.price(True)
        if self.spent > EAGER * problem.price(apart):
            self.model, self.spent = problem.turned(point, apart), 0.0
        else:
            self.model = problem.curvature(point, self.model)
        return self.model.inverse(ridges)

    def spend(self, rounds: float, count: int) -> None:
        """Take note of the mean ``rounds`` of a group of ``count`` problems."""
        if not self._exact:
            self.plain = max(rounds - FEW, 0) * self.problem.cost(count)
            self.spent += self.plain
