"""Ridge: least squares to classes, labels or values, solved in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from featprobe.core.numeric import sigmoid, softmax
from featprobe.core.threads import one_blas_thread
from featprobe.probes.base import Probe, choose_held_out, is_regression
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.grids import positive
from featprobe.solvers.ridge import RidgePath, complete, ridge_path

ALPHAS = tuple(float(a) for a in 10.0 ** np.linspace(-6, 6, 25))
_BLOCK = 32  # tries whose weights meet the queries in one product


class RidgeProbe(Probe):
    """Ridge regression on standardised features.

    Classes and labels are targets of -1 and +1, one each, as in scikit-learn's
    ``RidgeClassifier``; unknown labels are left out label by label; values are fitted as they are.
    ``alphas``: candidates for the strength of the penalty in scikit-learn's parametrisation; None
    is 25 values from 1e-6 to 1e6, of which few-shot runs take the middle, 1. ``fit`` alone
    chooses among several on a stratified tenth of the rows and refits on all.

    ``decision_function`` gives the regression's own values d. Probabilities are their softmax at
    K / 2 for K classes, and the sigmoid of 2 d for labels: near d = 0 these agree with (1 + d) / 2,
    the probability that least squares estimates, and unlike it stay between 0 and 1. The order of a
    sample's classes is that of d, and so are decisions.
    """

    name = "ridge"
    tasks = ("multiclass", "ordinal", "multilabel", "regression")

    def __init__(self, alphas: float | Sequence[float] | None = None) -> None:
        self.alphas = alphas

    @classmethod
    def of(cls, coef: np.ndarray, intercept: np.ndarray, standardizer: Standardizer) -> Self:
        """A fitted probe of values, of weights (1, D) and intercepts (1,) that came about
        otherwise. They are of standardised features; ``alphas`` says nothing about them.
        """
        made = cls(alphas=1.0)
        made.n_features_in_, made.best_, made._keep = coef.shape[1], {"alphas": 1.0}, 0
        made._labels, made._values = False, True
        made._standardize = standardizer
        made._path = RidgePath(np.ones(1), coef[None], intercept[None])
        return made

    def check(self) -> None:
        if self.alphas is not None:
            positive(np.atleast_1d(self.alphas), "alpha")

    def candidates(self) -> list[dict[str, Any]]:
        values = ALPHAS if self.alphas is None else np.atleast_1d(np.asarray(self.alphas, float))
        return [{"alphas": float(a)} for a in values]

    def simplicity(self) -> list[float]:
        return [c["alphas"] for c in self.candidates()]

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        return choose_held_out(self, x, y)

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> RidgeProbe:
        self._labels, self._values = y.ndim == 2, is_regression(y)
        self._standardize = Standardizer.of(x)
        grid = [c["alphas"] for c in self.candidates()]
        self._path: RidgePath = ridge_path(self._standardize(x), _targets(y), grid)
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        return self._scores(self._path(self._standardize(x)))

    def score_tries(
        self, x: np.ndarray, y: np.ndarray, tries: Sequence[np.ndarray], queries: np.ndarray
    ) -> Iterator[np.ndarray]:
        """As the base's; weights are solved for try by try and applied to the queries together."""
        target = _targets(y)
        if np.isnan(target).any():  # each label has rows of its own
            yield from super().score_tries(x, y, tries, queries)
            return
        self._labels, self._values = y.ndim == 2, is_regression(y)
        alpha = np.array([self.candidates()[0]["alphas"]])
        centre = x.mean(0, dtype=np.float64)  # so that products in float32 lose nothing
        q = (queries - centre).astype(np.result_type(x, np.float32)).T
        for start in range(0, len(tries), _BLOCK):
            weights, levels = [], []
            with one_blas_thread():
                for rows in tries[start : start + _BLOCK]:
                    drawn = x[rows].astype(np.float64)
                    standardize = Standardizer.of(drawn)
                    coef, level = complete(standardize(drawn), target[rows], alpha)
                    weights.append(coef[0] / standardize.scale)  # for the features as they are
                    levels.append(level[0] + weights[-1] @ (centre - standardize.mean))
            values = np.concatenate(weights).astype(q.dtype) @ q  # (T K, N)
            values = values.reshape(len(levels), -1, len(queries)) + np.array(levels)[:, :, None]
            yield from self._scores(values.transpose(0, 2, 1))

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """(N, K) values of the regression of the kept candidate; (N,) of the second of two classes.

        Positive where a class or label is more likely than not.
        """
        self._scored(x[:1])
        d = self._path(self._standardize(np.asarray(x)))[self._keep]
        return d[:, 1] if not self._labels and d.shape[1] == 2 else d

    def _scores(self, d: np.ndarray) -> np.ndarray:
        """Probabilities, or values, of the regression's (G, N, K) values."""
        if self._values:
            return d
        if self._labels:
            return sigmoid(2 * d)
        return softmax(d * (d.shape[2] / 2))


def _targets(y: np.ndarray) -> np.ndarray:
    """(N, K) of -1, +1 and NaN for classes and labels; (N, 1) values."""
    if is_regression(y):
        return y[:, None].astype(np.float64)
    hot = y if y.ndim == 2 else (y[:, None] == np.arange(int(y.max()) + 1))
    return 2 * hot.astype(np.float32) - 1


PROBE = RidgeProbe
