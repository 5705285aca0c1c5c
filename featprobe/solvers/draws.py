"""Logistic regression of many few-shot draws at once.

Each draw has few rows, so it is solved in the eigenbasis of its own n x n kernel, where the Hessian
is nearly diagonal; all draws are the problems of one batched L-BFGS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from featprobe.core.numeric import sigmoid, softmax
from featprobe.core.threads import cores, one_blas_thread
from featprobe.solvers.curvature import Diagonal
from featprobe.solvers.lbfgs import Evaluate, History, minimize
from featprobe.solvers.losses import sigmoid_loss, softmax_loss
from featprobe.solvers.targets import Targets

VALUES = 8_000_000  # features (draws x rows x D) in memory at a time
TOLERANCE = 1e-6
RANK = 1e-7  # eigenvalues below this part of the largest are rounding, here in float32
MEMORY = 8
SCALE_FLOOR = 1e-12  # of the mean: a feature that varies less is constant


def logistic_draws(
    x: np.ndarray, y: np.ndarray, draws: Sequence[np.ndarray], C: float, *,
    standardize: bool = True, tolerance: float | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """Coefficients (K, D) and intercepts (K,) for the features as given, in the order of ``draws``.

    ``x`` (N, D); ``y`` as in :func:`~featprobe.solvers.logistic.logistic_path`, every class of it
    in every draw; ``draws``: rows of each. The objective of a draw of n rows is that of
    ``logistic_path`` at one C, on features standardised by these rows; ``tolerance`` as there, by
    default 1e-6.
    """
    most = max(len(rows) for rows in draws)
    size = max(1, VALUES // (most * x.shape[1]))
    parts = [draws[s : s + size] for s in range(0, len(draws), size)]
    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(parts), cores()):  # a few at a time, so that memory is bounded
            with one_blas_thread():
                solved = list(
                    pool.map(
                        lambda part: _solve(x, y, part, C, standardize, tolerance or TOLERANCE),
                        parts[start : start + cores()],
                    )
                )
            for coef, intercept in solved:
                yield from zip(coef, intercept)


def _solve(
    x: np.ndarray,
    y: np.ndarray,
    draws: Sequence[np.ndarray],
    C: float,
    standardize: bool,
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray]:
    """(T, K, D) and (T, K) of T draws; shorter ones are filled up with rows of weight 0."""
    sizes = np.array([len(rows) for rows in draws])
    there = np.arange(sizes.max()) < sizes[:, None]  # (T, n)
    rows = np.zeros(there.shape, dtype=np.int64)
    rows[there] = np.concatenate(draws)
    z, mean, scale = _standardized(x[rows].astype(np.float64), there, standardize)
    z = z.astype(np.float32)
    count = sizes[:, None].astype(np.float32)
    values, vectors = np.linalg.eigh(z @ z.transpose(0, 2, 1) / count[:, None])
    values = np.maximum(values, values[:, -1:] * RANK + 1e-30)
    kernel = vectors * np.sqrt(count * values)[:, None]  # (T, n, r) rotated features
    targets = [Targets.of(y[r], w) for r, w in zip(rows, there)]
    problem = _Draws(kernel, values, sizes, targets, 1 / (C * sizes))
    state = problem.solve(tolerance)  # (T, K, r + 1)
    along = state[:, :, :-1] / np.sqrt(count * values)[:, None]  # (T, K, r)
    coef = along @ vectors.transpose(0, 2, 1) @ z / scale
    return coef, state[:, :, -1] - np.einsum("tkd,td->tk", coef, mean)


def _standardized(
    x: np.ndarray, there: np.ndarray, scale: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (T, n, D) centred and scaled within each draw, the mean (T, D) and scale (T, 1, D)."""
    count = there.sum(1)[:, None]
    mean = np.einsum("tnd,tn->td", x, there / count)
    x -= mean[:, None]
    x *= there[:, :, None]
    if not scale:
        return x, mean, np.ones((len(x), 1, x.shape[2]))
    std = np.sqrt(np.einsum("tnd,tnd->td", x, x) / count)
    std = np.where(std > SCALE_FLOOR * np.abs(mean), std, 1.0)[:, None]
    x /= std
    return x, mean, std


class _Draws:
    """The objectives of T draws, as problems of a softmax each, or of a sigmoid for each label."""

    def __init__(
        self, z: np.ndarray, values: np.ndarray, sizes: np.ndarray, targets: Sequence[Targets],
        ridges: np.ndarray,
    ) -> None:  # fmt: skip
        self.z, self.sizes, self.ridges = z, sizes, ridges
        self.softmax = targets[0].sign is None
        classes = max(t.classes for t in targets)
        self.shape = (len(z), classes, z.shape[2] + 1)
        each = (classes, z.shape[1])
        weights = [np.broadcast_to(_there(t.weight), each) for t in targets]
        self.weight = np.stack(weights).astype(z.dtype)
        self.target = np.stack([_there(t.codes if self.softmax else t.sign) for t in targets])
        start = np.zeros(self.shape)
        start[:, :, -1] = [t.intercepts() for t in targets]
        rate = _mean_spread(start[:, :, -1], self.softmax)  # (T, K)
        diagonal = rate[:, :, None] * np.concatenate([values, np.ones((len(z), 1))], 1)[:, None]
        self.penalised = np.r_[np.ones(z.shape[2]), 0.0].astype(z.dtype)
        diagonal += ridges[:, None, None] * self.penalised
        self.start = start.astype(z.dtype)
        self.inverse = (1 / np.maximum(diagonal, 1e-12)).astype(z.dtype)

    def solve(self, tolerance: float) -> np.ndarray:
        """(T, K, r + 1) rotated weights and intercepts."""
        problems = len(self.z) if self.softmax else len(self.z) * self.shape[1]
        history = History(Diagonal(self.inverse.reshape(problems, -1)), MEMORY)
        start = self.start.reshape(problems, -1)
        return minimize(self._evaluate(), start, history, tolerance=tolerance).x.reshape(self.shape)

    def _evaluate(self) -> Evaluate:
        t, k, m = self.shape

        def function(which: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            draw = which if self.softmax else which // k
            w = v.reshape(len(which), -1, m)
            whole = len(which) == (t if self.softmax else t * k)
            z = self.z if whole and self.softmax else self.z[draw]
            logits = w[:, :, :-1] @ z.transpose(0, 2, 1) + w[:, :, -1:]
            if self.softmax:
                cost, residual = softmax_loss(logits, self.target[draw, 0], self.weight[draw, 0])
            else:
                label = which % k
                cost, residual = sigmoid_loss(
                    logits[:, 0], self.target[draw, label], self.weight[draw, label]
                )
                residual = residual[:, None]
            gradient = np.concatenate([residual @ z, residual.sum(2, keepdims=True)], 2)
            kept, ridge = w * self.penalised, self.ridges[draw]
            gradient /= self.sizes[draw, None, None]
            gradient += ridge[:, None, None].astype(w.dtype) * kept
            value = cost / self.sizes[draw] + ridge / 2 * (kept * kept).sum((1, 2))
            return value, gradient.reshape(v.shape)

        return function


def _there(a: np.ndarray | None) -> np.ndarray:
    assert a is not None
    return a


def _mean_spread(intercepts: np.ndarray, joint: bool) -> np.ndarray:
    """p (1 - p) at intercepts (T, K)."""
    p = softmax(intercepts, 1) if joint else sigmoid(intercepts)
    return p * (1 - p)
