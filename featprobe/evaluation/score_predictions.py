"""What predictions are worth where the labels of the new images are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.features.labeled_items import LabeledItems
from featprobe.metrics.item_scores import ItemScores
from featprobe.probes.base import Probe
from featprobe.probes.standardizer import Standardizer
from featprobe.stats.intervals import intervals
from featprobe.stats.resampling import RESAMPLES, bootstrap

FAR = 3.0  # deviations of training, root mean square over features; it is 1 on average in training


@dataclass(frozen=True)
class PredictionScores:
    """``metrics`` of ``items`` labelled items and their intervals ``ci`` under new patients."""

    metrics: Mapping[str, float]
    ci: Mapping[str, tuple[float, float]]
    items: int
    patients: int
    notes: tuple[str, ...] = ()


def score_predictions(
    subject: LabeledItems, task: str, classes: Sequence[str], scores: np.ndarray
) -> PredictionScores | None:
    """Metrics of scores (N, C) of the classes against the labels of a subject, met by name.

    None where there are no labels, of another task, or none that the classes know. Intervals as of
    ``evaluate``: patient-clustered, see :func:`featprobe.stats.intervals.intervals`.
    """
    y = subject.y
    if y is None or subject.task != task or task == "regression":
        return None
    if not set(subject.classes) & set(classes):
        return None
    y = _renumbered(np.asarray(y), subject.classes, classes)
    known = ~np.isnan(y).all(1) if y.ndim == 2 else y >= 0
    if not known.any():
        return None
    items = ItemScores(
        task, subject.ids[known], y[known], subject.groups[known], [scores[known]], None, ()
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


def far_outside(probe: Probe, x: np.ndarray) -> list[str]:
    """What to say of items (N, D) whose features lie far from those that a probe was fitted to.

    Only of a probe that standardises, since it alone remembers where they lay.
    """
    found = [v for v in vars(probe).values() if isinstance(v, Standardizer)]
    if not found or np.asarray(x).ndim != 2 or len(found[0].mean) != x.shape[1]:
        return []
    away = np.sqrt(np.mean(((x - found[0].mean) / found[0].scale) ** 2, axis=1))
    far = int((away > FAR).sum())
    if not far:
        return []
    return [
        f"the features of {far} of {len(x)} items lie far outside those of training (up to "
        f"{away.max():.1f} deviations, {FAR:g} and more are counted): such images were not among "
        "them, and their predictions mean little"
    ]
