"""A probe fitted to some of the labelled items in one view, and its scores of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from featprobe.evaluation.protocols import Split
from featprobe.features.prepare import Prepare
from featprobe.probes.base import Probe
from featprobe.probes.selection import Criterion
from featprobe.probes.single_class import constants, settled


class View(NamedTuple):
    """Selection of features of an item: outputs, blocks, and pooling of frames."""

    name: str
    pool: str


@dataclass
class Data:
    """The labelled items of a feature set under a split.

    ``read`` gives their features (N, D), or Bags, in a view; ``views`` are those among which
    validation data choose. ``select``: by what they do; None is the default of the task.
    ``decides``: scores on val are wanted of what is chosen, for thresholds of decisions.
    """

    read: Callable[[View], Any]
    views: Sequence[View]
    y: np.ndarray
    groups: np.ndarray
    ids: np.ndarray
    task: str
    classes: int
    split: Split
    unknown: int
    prepare: Prepare = field(default_factory=Prepare)
    select: Criterion | None = None
    decides: bool = False
    found: dict[Any, list[str]] = field(default_factory=dict, init=False)  # found of features

    @property
    def criterion(self) -> Criterion:
        """Criterion by which candidates are compared."""
        return self.select or Criterion.of(self.task)

    @property
    def columns(self) -> int:
        """Number of columns C of the scores (N, C)."""
        return 1 if self.task == "regression" else self.classes


class FittedProbe:
    """A probe fitted to some items in one view: its candidates score other items."""

    def __init__(self, probe: Probe, data: Data, view: View, rows: np.ndarray) -> None:
        self.data, self.view = data, view
        self.x, y = data.read(view), data.y[rows]
        fit = self.x[rows]
        self.prepare = data.prepare.fitted(fit)
        self.codes, self.present = codes_of(y)
        self.probe = probe.within(len(rows))
        self.probe.learn(self.prepare(fit), self.codes, data.groups[rows])

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """(G, n, C) scores of items, see :func:`complete`."""
        raw = self.probe.score_candidates(self.prepare(self.x[rows]))
        return complete(raw, self.codes, self.present, self.data.columns)


def complete(raw: np.ndarray, fitted: np.ndarray, present: np.ndarray, classes: int) -> np.ndarray:
    """Scores of all classes, zero for those that training (``fitted``) did not have.

    A label of which training had one value only is scored as that value, one of which it knew
    nothing 0, see :func:`~featprobe.probes.single_class.constants`.
    """
    if fitted.ndim == 2:
        return settled(raw, constants(fitted))
    if raw.shape[-1] == classes:
        return raw
    out = np.zeros((*raw.shape[:-1], classes))
    out[..., present] = raw
    return out


def codes_of(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class codes 0 .. C-1 of what is present, and the classes they stand for."""
    if y.ndim == 2 or y.dtype.kind == "f":
        return y, np.arange(y.shape[-1])
    present, codes = np.unique(y, return_inverse=True)
    return codes, present
