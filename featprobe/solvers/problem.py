"""Logistic regression of one data set, as problems that L-BFGS solves side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from featprobe.solvers.curvature import Alike, Apart, Curvature, leading
from featprobe.solvers.eigenbasis import Eigenbasis
from featprobe.solvers.lbfgs import Evaluate
from featprobe.solvers.newton import LARGEST, Dense, dense
from featprobe.solvers.targets import Targets

DOUBLE = (
    2_000_000  # values of features: more are kept in float32, and are float64 a block at a time
)
TWICE = 8_000_000  # values of features that are kept transposed as well
CACHED = 400_000  # logits that stay in the cache of a core
NARROW, BLOCK = 128, 2048  # rows of a product at least and at most
SAMPLE = 4096  # rows on which the curvature of the classes is estimated
PART = 24_000_000  # multiplications that are worth handing to a thread: small parts wait
PARTS = 16
SHORT = 512  # rows of a part: fewer make slow products
ROUND = 30_000_000  # multiplications in the time that numpy needs to be called for a round


class Problem:
    """The data in the eigenbasis, and the objective for some ridges and labels.

    A problem's variables (size,) are, for each class it has, r rotated weights and the intercept.
    Sums do not depend on how many threads there are: rows are parted by their number alone.
    """

    def __init__(self, x: np.ndarray, targets: Targets, pool: ThreadPoolExecutor) -> None:
        self.large = x.size > DOUBLE
        basis = Eigenbasis.of(x, np.dtype(np.float32 if self.large else np.float64))
        self.mean, self.values, self.axes = basis.mean, basis.values, basis.axes
        double, single = np.dtype(np.float64), np.dtype(np.float32)
        a = basis.extended  # (n, r + 1)
        self.features: dict[np.dtype, np.ndarray] = {
            double: a,
            single: a.astype(single, copy=False),
        }
        self.columns = np.ascontiguousarray(a.T, single) if a.size <= TWICE else None
        self.targets: dict[np.dtype, Targets] = {t: targets.astype(t) for t in self.features}
        self.pool, self.joint = pool, targets.sign is None
        self.n, self.width = a.shape
        self.classes, self.per = targets.classes, targets.per
        self.each = self.classes // self.per  # classes of one problem
        self.size = self.each * self.width
        self.penalised = np.tile(np.r_[np.ones(self.width - 1), 0.0], self.each)
        start = np.zeros((self.classes, self.width))
        start[:, -1] = targets.intercepts()
        self.start = start.reshape(self.per, self.size)

    def cost(self, count: int) -> int:
        """Multiplications of an evaluation of ``count`` problems; an exponential is some 20."""
        return ROUND + 2 * self.n * (self.width + 20) * count * self.each

    def price(self) -> int:
        """Multiplications of a turned model; eigh's of m x m take as long as 10 m^3."""
        m = leading(self.values)
        return (self.n * m**2 + 10 * m**3) * self.classes

    def price_dense(self, ridges: int) -> float:
        """Multiplications of the factors of a softmax's Hessians, which are slow ones; infinite if
        too large."""
        if not self.joint or self.size > LARGEST:
            return np.inf
        return self.n * self.size**2 + ridges * self.size**3 / 2

    def dense(self, state: np.ndarray, ridges: np.ndarray) -> Dense:
        """Factors of the Hessians of a softmax at a state (1, size)."""
        p, weight = self._probabilities(state, slice(None))
        return dense(self.features[np.dtype(np.float32)], p, weight, ridges, self.pool)

    def curvature(self, state: np.ndarray, model: Curvature | None = None) -> Curvature:
        """Near a state (per, size), its axes those of ``model``, or of the features."""
        rows = np.unique(np.linspace(0, self.n - 1, min(self.n, SAMPLE)).astype(int))
        p, weight = self._probabilities(state, rows)
        if model is None:
            return (Alike if self.joint else Apart).of(self.values, p, weight)
        return model.near(p, weight)

    def turned(self, state: np.ndarray) -> Curvature:
        """Near a state (per, size), with axes of its own for each class or label."""
        p, weight = self._probabilities(state, slice(None))
        z = self.features[np.dtype(np.float32)][:, :-1]
        return Apart.turned(z, self.values, p, weight, self.each, self.pool)

    def _probabilities(
        self, state: np.ndarray, rows: np.ndarray | slice
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """(K, n) of some samples, and their weights, in float32."""
        dtype = np.dtype(np.float32)
        targets = self.targets[dtype]
        logits = state.reshape(self.classes, -1).astype(dtype) @ self.features[dtype][rows].T
        return targets.probabilities(logits), targets.weights(rows)

    def evaluate(self, ridges: np.ndarray) -> Evaluate:
        """Value and gradient of problems with these ridges (P,), labels in turn."""
        labels = np.tile(np.arange(self.per), len(ridges) // self.per)

        def function(which: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            v = self._centred(v)
            w = v.reshape(len(v) * self.each, -1)
            count = int(np.clip(self.cost(len(v)) // PART, 1, min(PARTS, -(-self.n // SHORT))))
            parts = list(pairwise(np.linspace(0, self.n, count + 1).astype(int)))
            over = map if len(parts) == 1 else self.pool.map
            done = over(lambda part: self._rows(part, w, labels[which]), parts)
            losses, gradients = zip(*done)
            ridge, kept = ridges[which], v * self.penalised.astype(v.dtype)
            gradient = sum(gradients[1:], gradients[0]).reshape(v.shape) / self.n
            gradient += ridge[:, None].astype(v.dtype) * kept
            gradient = self._centred(gradient)
            norm = np.einsum("pm,pm->p", kept, kept, dtype=np.float64)
            return sum(losses[1:], losses[0]) / self.n + ridge / 2 * norm, gradient

        return function

    def _centred(self, v: np.ndarray) -> np.ndarray:
        """Points (P, size) less what is the same for all classes of a softmax.

        It changes no probability and is 0 at the optimum, but rounding adds to it at every step,
        and no model of the Hessian has a curvature there that would take it back.
        """
        if not self.joint:
            return v
        each = v.reshape(len(v), self.each, -1)
        return (each - each.mean(1, keepdims=True)).reshape(v.shape)

    def _rows(
        self, part: tuple[int, int], w: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Summed losses (P,) and gradients (P * each, r + 1) of some rows, in w's precision."""
        loss, gradient = np.zeros(len(labels)), np.zeros_like(w)
        block = int(np.clip(CACHED // len(w), NARROW, BLOCK))
        for start in range(part[0], part[1], block):
            rows = slice(start, min(start + block, part[1]))
            a = self.features[w.dtype][rows].astype(w.dtype, copy=False)
            cost, residual = self.targets[w.dtype].losses(self._logits(a, w, rows), labels, rows)
            loss += cost
            gradient += residual @ a
        return loss, gradient

    def _logits(self, a: np.ndarray, w: np.ndarray, rows: slice) -> np.ndarray:
        """w a' (P * each, n) of some rows ``a``, samples contiguous.

        BLAS takes them fastest from a transposed copy, and without one a tall matrix in float32 up
        to twice as fast from the left, in float64 from the right (OpenBLAS with AVX-512).
        """
        if w.dtype == np.float64:
            return w @ a.T
        if self.columns is not None:
            return w @ self.columns[:, rows]
        return np.ascontiguousarray((a @ w.T).T)

    def unpack(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (nC, K, D) and intercepts (nC, K) for the features as given."""
        flat = state.astype(np.float64).reshape(-1, self.size)
        w = self._centred(flat).reshape(len(state), self.classes, -1)
        coef = self.axes.back(w[:, :, :-1])
        return coef, w[:, :, -1] - coef @ self.mean
