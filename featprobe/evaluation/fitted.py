"""A probe fitted to some of the labelled items in one view, and its scores of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from featprobe.evaluation.protocols import Split
from featprobe.features.augmented import BOTH, TEST, TRAIN, AugmentedRows
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

    ``read`` gives their features (N, D), or Bags, in a view, and as second argument in which of
    the stored augmented views, 0 without augmentation; ``views`` are those among which validation
    data choose. ``augmented``: for what (``train``, ``test``, ``both``) the ``stored`` augmented
    views are used; empty for none. ``select``: by what they do; None is the default of the task.
    ``decides``: scores on val are wanted of what is chosen, for thresholds of decisions.
    """

    read: Callable[..., Any]
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
    augmented: str = ""
    stored: int = 1
    found: dict[Any, list[str]] = field(default_factory=dict, init=False)  # found of features

    @property
    def criterion(self) -> Criterion:
        """Criterion by which candidates are compared."""
        return self.select or Criterion.of(self.task)

    def in_training(self, view: View) -> Any:
        """What is fitted to: the features in a view, in all augmented views where these are for
        training."""
        return self._all(view) if self.augmented in (TRAIN, BOTH) else self.read(view)

    def in_test(self, view: View) -> list[Any]:
        """What is scored, to be averaged: the features in a view, or in each augmented view."""
        return list(self._all(view).views) if self.augmented in (TEST, BOTH) else [self.read(view)]

    def _all(self, view: View) -> AugmentedRows:
        return AugmentedRows(tuple(self.read(view, v) for v in range(self.stored)))

    @property
    def columns(self) -> int:
        """Number of columns C of the scores (N, C)."""
        return 1 if self.task == "regression" else self.classes


class FittedProbe:
    """A probe fitted to some items in one view: its candidates score other items."""

    def __init__(self, probe: Probe, data: Data, view: View, rows: np.ndarray) -> None:
        self.data, self.view = data, view
        fit, y = data.in_training(view)[rows], data.y[rows]
        self.prepare = data.prepare.fitted(AugmentedRows.first(fit))
        self.codes, self.present = codes_of(y)
        self.probe = probe.within(len(rows))
        self.probe.learn(prepared(fit, self.prepare), self.codes, data.groups[rows])

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """(G, n, C) scores of items, see :func:`complete`; the mean over augmented views where
        these are for testing."""
        several = [
            self.probe.score_candidates(self.prepare(x[rows])) for x in self.data.in_test(self.view)
        ]
        return complete(averaged(several), self.codes, self.present, self.data.columns)


def averaged(several: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of scores of the same items; of one bit for bit itself."""
    return several[0] if len(several) == 1 else np.mean(several, axis=0)


def prepared(x: Any, prepare: Callable[[Any], Any]) -> Any:
    """Rows, or rows in several views, as they are prepared."""
    return x.mapped(prepare) if isinstance(x, AugmentedRows) else prepare(x)


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
