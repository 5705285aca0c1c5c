"""Ordered grades: the proportional-odds probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from featprobe.probes.base import Probe, choose_held_out
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.grids import positive
from featprobe.solvers.ordinal import ordinal_path

CS = tuple(float(c) for c in 10.0 ** np.linspace(-5, 5, 21))


class OrdinalProbe(Probe):
    """Cumulative-link regression of ordered grades on standardised features.

    McCullagh's (1980) proportional odds: one direction w for all grades and a threshold between
    neighbours, for gradings such as APTOS's, scored by quadratic kappa. Grades are in the order of
    ``classes_``, which is that of numbers, or alphabetical of texts. ``Cs``: candidates for the
    inverse strength of the L2 penalty (see :mod:`featprobe.solvers.ordinal`); None is 21 values
    from 1e-5 to 1e5, of which few-shot runs take the middle, 1. ``fit`` alone chooses among several
    on a stratified tenth of the rows and refits on all.
    """

    name = "ordinal"
    tasks = ("ordinal",)

    def __init__(self, Cs: float | Sequence[float] | None = None) -> None:
        self.Cs = Cs

    def check(self) -> None:
        if self.Cs is not None:
            positive(np.atleast_1d(self.Cs), "C")

    def candidates(self) -> list[dict[str, Any]]:
        values = CS if self.Cs is None else np.atleast_1d(np.asarray(self.Cs, dtype=float))
        return [{"Cs": float(c)} for c in values]

    def simplicity(self) -> list[float]:
        return [-c["Cs"] for c in self.candidates()]

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        return choose_held_out(self, x, y)

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> OrdinalProbe:
        self._standardize = Standardizer.of(x)
        self._path = ordinal_path(self._standardize(x), y, [c["Cs"] for c in self.candidates()])
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        return self._path.predict_proba(self._standardize(x))


PROBE = OrdinalProbe
