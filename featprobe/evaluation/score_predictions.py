"""Metrics of predictions where the labels of the new images are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.features.labeled_items import LabeledItems
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.intervals import intervals
from featprobe.stats.resampling import RESAMPLES, bootstrap


@dataclass(frozen=True)
class PredictionScores:
    """``metrics`` of ``items`` labelled items and their intervals ``ci`` under new patients."""

    metrics: Mapping[str, float]
    ci: Mapping[str, tuple[float, float]]
    items: int
    patients: int
    notes: tuple[str, ...] = ()


def score_predictions(
    labeled: LabeledItems, task: str, classes: Sequence[str], scores: np.ndarray
) -> PredictionScores | None:
    """Metrics of scores (N, C) of the classes, or values (N, 1), against the labels of ``labeled``.

    Classes meet by name. None where there are no labels, of another task, or none that the classes
    know. Intervals as of ``evaluate``: patient-clustered, see
    :func:`featprobe.stats.intervals.intervals`.
    """
    y = labeled.y
    if y is None or labeled.task != task:
        return None
    y = np.asarray(y)
    if task == "regression":
        known = np.isfinite(y)
    elif set(labeled.classes) & set(classes):
        y = _renumbered(y, labeled.classes, classes)
        known = ~np.isnan(y).all(1) if y.ndim == 2 else y >= 0
    else:
        return None
    if not known.any():
        return None
    items = ItemScores(
        task, labeled.ids[known], y[known], labeled.groups[known], [scores[known]], None, ()
    )
    values = {n: float(v[0]) for n, v in items.values().items()}
    boot = bootstrap(items, resamples=RESAMPLES, seed=0)
    found = intervals(items, values, boot)
    return PredictionScores(values, found.ci, int(known.sum()), items.patients, tuple(found.notes))


def _renumbered(y: np.ndarray, own: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Targets of a data set's classes as those of the probe's; unknown where that has none."""
    place = {name: i for i, name in enumerate(classes)}
    if y.ndim == 2:
        out = np.full((len(y), len(classes)), np.nan)
        for column, name in enumerate(own):
            if name in place:
                out[:, place[name]] = y[:, column]
        return out
    codes = np.array([place.get(name, -1) for name in own] + [-1])  # the last is for -1
    return codes[y.astype(int)]
