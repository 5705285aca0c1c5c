"""Metrics added by other packages and scripts.

@featprobe.register("metric", "gmean", tasks=["multiclass"], label="G-mean", low=0, high=1)
def gmean(y, p, weights):
    return number
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, nearest, reason
from featprobe.core.options import Checked
from featprobe.core.plugins import function_of, known_facts, warn_once

TASKS = ("multiclass", "multilabel", "ordinal", "regression")
WEIGHTS = ("weights", "sample_weight")  # what functions call them


@dataclass(frozen=True)
class CustomMetric(Checked):
    """A registered function ``(y, p)`` or ``(y, p, weights)`` that returns a number.

    ``y`` and ``p`` are as in :class:`~featprobe.metrics.measures.Measure`, of a regression ``p`` is
    (N,). ``weights`` (N,), or ``sample_weight``: how often each item counts, of those that do at
    all; with it the metric has an interval and can be tested, without it neither. ``tasks``: for
    which it is; ``label``: in tables; ``higher``: whether more is better; ``low``, ``high``: the
    ends of its scale, None where there is none, which its interval keeps to.
    """

    name: str
    function: Callable[..., Any]
    tasks: tuple[str, ...] = ("multiclass",)
    label: str = ""
    higher: bool = True
    low: float | None = None
    high: float | None = None
    of: str = ""

    def owner(self) -> str:
        return f"metric {self.name}"

    def check(self) -> None:
        if odd := [t for t in self.tasks if t not in TASKS]:
            raise InputError(
                f"{self.owner()}: task {odd[0]!r} is none of {', '.join(TASKS)}."
                f"{nearest(odd[0], TASKS)}"
            )
        if not self.tasks:
            raise InputError(f"{self.owner()}: for which tasks? There are {', '.join(TASKS)}")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise InputError(f"{self.owner()}: low={self.low:g} is not below high={self.high:g}")
        try:
            takes = list(inspect.signature(self.function).parameters.values())
        except (TypeError, ValueError):  # written in C: its parameters are not told
            return
        needed = [p.name for p in takes if p.default is p.empty and p.kind in (0, 1, 3)]
        several = any(p.kind is p.VAR_POSITIONAL for p in takes)
        if not several and (len(takes) < 2 or len(set(needed) - set(WEIGHTS)) > 2):
            raise InputError(
                f"{self.owner()}: its function takes ({', '.join(p.name for p in takes)}), "
                "expected (y, p) or (y, p, weights)"
            )

    @cached_property
    def weighted(self) -> str:
        """Name of the argument for weights, empty where there is none."""
        try:
            takes = inspect.signature(self.function).parameters
        except (TypeError, ValueError):
            return ""
        return next((w for w in WEIGHTS if w in takes), "")

    @property
    def bounds(self) -> tuple[float, float]:
        """The ends of its scale, infinite where there is none."""
        low = -math.inf if self.low is None else self.low
        return low, math.inf if self.high is None else self.high

    def value(self, y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> float:
        """Of items that count so often (N,); NaN where the function fails, or takes no weights and
        these are not all 1. A failure on the items as they are is said once."""
        plain = bool((weights == 1).all())
        if not self.weighted and not plain:
            return math.nan
        kept = weights > 0
        more = {self.weighted: weights[kept]} if self.weighted else {}
        try:
            found = np.asarray(self.function(y[kept], p[kept], **more))
            if found.ndim or found.dtype.kind not in "biuf":
                raise InputError(f"expected a number, got {found.dtype} of shape {found.shape}")
            return float(found)
        except Exception as error:
            if plain:
                warn_once(f"{self.owner()} of {self.of} fails: {reason(error)}")
            return math.nan


class Measured:
    """Registered metrics of one set of scored samples, called as a Measure is.

    Arguments as of :class:`~featprobe.metrics.measures.Measure`, ``p`` (N,) of a regression.
    """

    def __init__(
        self, metrics: list[CustomMetric], y: np.ndarray, p: np.ndarray, code: np.ndarray
    ) -> None:
        self._metrics, self._y, self._p, self._code = metrics, y, p, code

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Name -> (B,) under ``counts`` (G, B) of the groups."""
        return {
            m.name: np.array([m.value(self._y, self._p, c[self._code]) for c in counts.T])
            for m in self._metrics
        }


def plugin(name: str, value: Any, of: str, **facts: Any) -> CustomMetric:
    """A metric, with the facts ``tasks``, ``label``, ``higher``, ``low`` and ``high`` of it."""
    known_facts("metric", name, facts, ("tasks", "label", "higher", "low", "high"))
    return CustomMetric(name, function_of("metric", name, value), of=of, **facts)
