"""Any probe with its probabilities calibrated."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from featprobe.core.errors import InputError
from featprobe.probes.base import Probe
from featprobe.probes.registry import PROBES
from featprobe.probes.temperature import RANGE, at_bound, temperature, tempered
from featprobe.splits import assign as splits

_FOLDS, _ITEMS, _PATIENTS = 5, 50, 10  # to choose a temperature on: folds, fewest of each


class CalibratedProbe(Probe):
    """Temperature scaling (Guo et al. 2017) of another probe, by name or as it is.

    Every row is scored by a fit to four fifths of the rows that are of other patients, and the
    temperature chosen on these scores; then the probe is fitted on all rows, and its scores divided
    by that temperature (as ``CalibratedClassifierCV(ensemble=False)`` of scikit-learn does; see
    :mod:`featprobe.probes.temperature`). Each candidate of the probe has a temperature of its own.
    With fewer than 50 rows or 10 patients it is 1, and so it is where another is not convincing.

    Parameters of the inner probe are named ``probe__<parameter>``, as in scikit-learn's wrappers.
    """

    name = "calibrated"

    def __init__(self, probe: str | Probe = "logistic") -> None:
        self.probe = probe

    @property
    def tasks(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the probe, without regression, which has no probabilities."""
        return tuple(t for t in self._inner().tasks if t != "regression")

    @property
    def transductive(self) -> bool:  # type: ignore[override]
        """As the probe."""
        return self._inner().transductive

    @property
    def bags(self) -> bool:  # type: ignore[override]
        """As the probe."""
        return self._inner().bags

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """``probe``, and where it is no name and ``deep``, its parameters as ``probe__...``."""
        inner = {}
        if deep and isinstance(self.probe, Probe):
            inner = {f"probe__{k}": v for k, v in self.probe.get_params().items()}
        return {"probe": self.probe, **inner}

    def set_params(self, **params: Any) -> Self:
        """Change the probe, or parameters of it; an unknown one is an error."""
        prefix = "probe__"
        super().set_params(**{k: v for k, v in params.items() if not k.startswith(prefix)})
        inner = {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(prefix)}
        if inner:
            self.probe = self._inner().fresh(**inner)
        return self

    def check(self) -> None:
        self._inner().check_params()

    def candidates(self) -> list[dict[str, Any]]:
        return [{f"probe__{k}": v for k, v in c.items()} for c in self._inner().candidates()]

    def simplicity(self) -> list[float] | None:
        return self._inner().simplicity()

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        inner = self._inner().fresh().choosing_by(self.criterion)
        with inner.with_groups(self._groups):
            return inner.choose(x, y)

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> CalibratedProbe:
        self._labels = y.ndim == 2
        self._fitted = self._inner().fresh().choosing_by(self.criterion)
        self._temperatures = np.ones(len(self.candidates()))
        groups = np.arange(len(y)) if self._groups is None else self._groups
        found = self._out_of_fold(x, y, groups)
        self._uncalibrated = found is None
        if found is not None:
            scores, known, rows = found
            of = groups[rows]
            self._temperatures = np.array([temperature(p, known, of) for p in scores])
        self._fitted.learn(x, y, self._groups)
        return self

    def _out_of_fold(
        self, x: np.ndarray, y: np.ndarray, groups: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Scores (G, n, C) of rows by fits to the rows of other patients, the targets, and which
        rows these are; None where there are too few."""
        if len(y) < _ITEMS or len(np.unique(groups)) < _PATIENTS:
            return None
        part = splits.assign(y, groups, [1 / _FOLDS] * _FOLDS)
        scores, targets, rows = [], [], []
        for fold in range(_FOLDS):
            fit, held = part != fold, part == fold
            if y.ndim == 1 and len(np.unique(y[fit])) <= y.max():
                continue  # a fit that lacks a class has no score of it
            try:
                self._fitted.learn(x[fit], y[fit], groups[fit])
            except InputError:  # fewer rows than some k
                return None
            scores.append(self._fitted.scores(x[held]))
            constant, target = self._fitted._constant, y[held]
            if constant is not None:  # no probability, which a temperature could not mend
                target = np.where(np.isnan(constant), target, np.nan)
            targets.append(target)
            rows.append(np.flatnonzero(held))
        if not rows:
            return None
        return np.concatenate(scores, axis=1), np.concatenate(targets), np.concatenate(rows)

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        scores = self._fitted.scores(x)
        pairs = zip(scores, self._temperatures)
        return np.stack([tempered(p, float(t), self._labels) for p, t in pairs])

    def notes(self) -> list[str]:
        notes = getattr(self, "_fitted", self._inner()).notes()
        if getattr(self, "_uncalibrated", False):
            notes.append(
                f"fewer than {_ITEMS} items of {_PATIENTS} patients, or of a class: the scores are "
                "not calibrated"
            )
        ends = [t for t in getattr(self, "_temperatures", ()) if at_bound(t)]
        if ends:
            notes.append(
                f"the temperature is at the end of its range, {ends[0]:.3g} ({RANGE[0]:g} to "
                f"{RANGE[1]:g}): the scores were no probabilities to begin with"
            )
        return notes

    def _inner(self) -> Probe:
        if isinstance(self.probe, Probe):
            return self.probe
        made: Probe = PROBES.get(self.probe)()
        return made


PROBE = CalibratedProbe
