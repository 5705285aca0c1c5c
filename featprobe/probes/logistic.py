"""The logistic linear probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from featprobe import splits
from featprobe.errors import InputError
from featprobe.probes.base import Probe, Standardizer
from featprobe.selection import best_candidate
from featprobe.solvers.logistic import logistic_path

CS = tuple(float(c) for c in 10.0 ** np.linspace(-6, 5, 45))


class LogisticProbe(Probe):
    """L2-regularised logistic regression on standardised features.

    ``Cs``: candidates for the inverse regularisation strength of scikit-learn's parametrisation
    (see :mod:`featprobe.solvers.logistic`); None is DINOv2's grid, 45 values from 1e-6 to
    1e5. ``fit`` alone, without validation data, chooses among several on a stratified tenth of the
    rows, as DINOv2's ``log_regression`` does, and refits on all.
    """

    name = "logistic"

    def __init__(self, Cs: float | Sequence[float] | None = None, standardize: bool = True) -> None:
        self.Cs, self.standardize = Cs, standardize

    def candidates(self) -> list[dict[str, Any]]:
        values = CS if self.Cs is None else np.atleast_1d(np.asarray(self.Cs, dtype=float))
        return [{"Cs": float(c)} for c in values]

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        try:
            part = splits.assign(y, np.arange(len(y)), (0.9, 0.1))
        except InputError:  # too few rows to hold any out
            return len(self.candidates()) // 2
        fit, held = part == 0, part == 1
        if y.ndim == 1 and len(np.unique(y[fit])) <= y.max():
            return len(self.candidates()) // 2
        self.fit_candidates(x[fit], y[fit])
        return best_candidate(self.score_candidates(x[held]), y[held])

    def fit(self, x: np.ndarray, y: np.ndarray) -> LogisticProbe:
        super().fit(x, y)
        self.coef_, self.intercept_ = self._path.coef[self._keep], self._path.intercept[self._keep]
        return self

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> LogisticProbe:
        self._labels = y.ndim == 2
        self._standardize = Standardizer.of(x, self.standardize)
        Cs = [c["Cs"] for c in self.candidates()]
        self._path = logistic_path(self._standardize(x), y, Cs)
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        p = self._path.predict_proba(self._standardize(x))
        if not self._labels and p.shape[2] == 1:
            p = np.concatenate([1 - p, p], axis=2)
        return p


PROBE = LogisticProbe
