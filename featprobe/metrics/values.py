"""Metrics of regression."""

from __future__ import annotations

import numpy as np

from featprobe.metrics.sums import Sums, by_group, ratio


class Regression:
    """``y`` (N,) and predictions ``p`` (N,); called with counts (G, B) it gives (B,) values.

    ``r2``: one minus the squared error over that of the mean of ``y``; ``spearman``: Pearson's
    correlation of ranks, ties at their middle rank. NaN where ``y`` (for a correlation: or ``p``)
    is constant.
    """

    def __init__(self, y: np.ndarray, p: np.ndarray, code: np.ndarray, groups: int) -> None:
        self._y, self._p = _Ranks(y, code, groups), _Ranks(p, code, groups)
        self._code = code
        self._moments, self._errors = _Moments(y, p, code, groups), Sums(code, groups)
        self._errors.add("abs", np.abs(y - p))
        self._errors.add("square", (y - p) ** 2)

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        errors, (n, yy, pp, yp) = self._errors(counts), self._moments(counts)
        square = errors["square"][0]
        return {
            "r2": 1 - ratio(square, yy),
            "mae": ratio(errors["abs"][0], n),
            "rmse": np.sqrt(ratio(square, n)),
            "pearson": ratio(yp, np.sqrt(yy * pp)),
            "spearman": self._spearman(counts),
        }

    def _spearman(self, counts: np.ndarray) -> np.ndarray:
        a, b, w = self._y(counts), self._p(counts), counts[self._code]
        n = w.sum(0)
        a, b = a - ratio((w * a).sum(0), n), b - ratio((w * b).sum(0), n)
        scale = np.sqrt((w * a * a).sum(0) * (w * b * b).sum(0))
        return ratio((w * a * b).sum(0), np.where(scale > 1e-9 * n, scale, 0.0))


class _Moments:
    """n, and the centred sums of y y, p p and y p."""

    def __init__(self, y: np.ndarray, p: np.ndarray, code: np.ndarray, groups: int) -> None:
        self._sums = Sums(code, groups)
        y, p = y - y.mean(), p - p.mean()  # sums of squares of far-off numbers would cancel
        self._least = 1e-12 * np.array([np.square(y).mean(), np.square(p).mean()])
        for name, value in (
            ("n", np.ones(len(y))), ("y", y), ("p", p), ("yy", y * y), ("pp", p * p), ("yp", y * p),
        ):  # fmt: skip
            self._sums.add(name, value)

    def __call__(self, counts: np.ndarray) -> tuple[np.ndarray, ...]:
        s = {k: v[0] for k, v in self._sums(counts).items()}
        n = s["n"]
        yy, pp = s["yy"] - ratio(s["y"] ** 2, n), s["pp"] - ratio(s["p"] ** 2, n)
        yy, pp = (np.where(v > least * n, v, 0.0) for v, least in zip((yy, pp), self._least))
        return n, yy, pp, s["yp"] - ratio(s["y"] * s["p"], n)


class _Ranks:
    """(N, B) middle ranks of the samples, each counted as often as its group."""

    def __init__(self, value: np.ndarray, code: np.ndarray, groups: int) -> None:
        found, self._place = np.unique(value, return_inverse=True)
        every = np.arange(len(value))
        self._ties = by_group(len(found), self._place, every, 1.0, code, groups)

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        tied = self._ties @ counts
        return (np.cumsum(tied, axis=0) - tied / 2)[self._place]
