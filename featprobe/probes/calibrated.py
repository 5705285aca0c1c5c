"""Any probe with its probabilities calibrated."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from featprobe.calibration import temperature, tempered
from featprobe.probes.base import Probe
from featprobe.probes.named import PROBES

_FEWEST = 10  # items to choose a temperature on


class CalibratedProbe(Probe):
    """Temperature scaling (Guo et al. 2017) of another probe, by name or as it is.

    A stratified tenth of the rows is held out, the probe fitted on the rest, the temperature chosen
    on the tenth; then the probe is fitted on all rows, and its scores divided by that temperature
    (see :mod:`featprobe.calibration`). Each candidate of the probe has a temperature of its
    own. Where fewer than 10 rows would be held out, it is 1: they would say little.

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

    def candidates(self) -> list[dict[str, Any]]:
        return [{f"probe__{k}": v for k, v in c.items()} for c in self._inner().candidates()]

    def simplicity(self) -> list[float] | None:
        return self._inner().simplicity()

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        inner = self._inner().fresh().choosing_by(self.criterion)
        with inner.knowing(self._groups):
            return inner.choose(x, y)

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> CalibratedProbe:
        self._labels = y.ndim == 2
        self._fitted = self._inner().fresh().choosing_by(self.criterion)
        self._temperatures = np.ones(len(self.candidates()))
        parts = self.held_out(y)
        self._uncalibrated = parts is None or parts[1].sum() < _FEWEST
        if parts is not None and not self._uncalibrated:
            fit, held = parts
            scores = self._fitted.learn(x[fit], y[fit], self.groups_of(fit)).scores(x[held])
            self._temperatures = np.array([temperature(p, y[held]) for p in scores])
        self._fitted.learn(x, y, self._groups)
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        scores = self._fitted.scores(x)
        pairs = zip(scores, self._temperatures)
        return np.stack([tempered(p, float(t), self._labels) for p, t in pairs])

    def notes(self) -> list[str]:
        told = getattr(self, "_fitted", self._inner()).notes()
        if getattr(self, "_uncalibrated", False):
            told.append(f"fewer than {_FEWEST} items to hold out: the scores are not calibrated")
        return told

    def _inner(self) -> Probe:
        if isinstance(self.probe, Probe):
            return self.probe
        made: Probe = PROBES.get(self.probe)()
        return made


PROBE = CalibratedProbe
