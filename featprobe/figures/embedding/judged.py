"""Which items of a map are predicted wrongly: by a saved probe, or in the scores of a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.predict import features_of, predict_features
from featprobe.evaluation.results import Result
from featprobe.features.feature_set import FeatureSet
from featprobe.figures.embedding.columns import Column
from featprobe.probes.loading import SavedProbe

RIGHT, WRONG = "right", "wrong"


def by_result(features: FeatureSet, cache: Path, of: Result) -> Column:
    """Right or wrong on the test items of a result, as its kept scores have it.

    An item of several tries is wrong where most of them are; of labels, where any known one is. Of
    a regression the absolute error. Raises :class:`InputError` where scores are gone, of patients
    or studies, or of other items.
    """
    where = f"result {of.id}"
    if of.settings.get("level", "item") != "item":
        raise InputError(f"{where}: its scores are of a {of.settings['level']}, not of items")
    scored = results.scored(cache, of)
    place = {str(name): i for i, name in enumerate(features.ids)}
    lost = [str(i) for i in scored.ids if str(i) not in place]
    if of.dataset != features.dataset or lost:
        raise InputError(f"{where} is of other items than {features.dataset}")
    sums, tries = np.zeros(len(scored.ids)), np.zeros(len(scored.ids))
    for t, (rows, p) in enumerate(scored.parts()):
        cut = scored.cuts[t] if len(scored.cuts) else None
        sums[rows] += _off(scored.task, scored.y[rows], p, cut)
        tries[rows] += 1
    with np.errstate(invalid="ignore"):
        mean = sums / tries
    whole = np.full(len(features), np.nan)
    whole[[place[str(i)] for i in scored.ids]] = mean
    return _column(whole, of.task, of.probe)


def by_probe(features: FeatureSet, saved: SavedProbe, where: str) -> Column:
    """Right or wrong by a saved probe, on all labelled items, those it was fitted to included.

    Raises :class:`InputError` where the features are not those it is of, naming what differs.
    """
    source = features_of(saved, where)
    other = [f for f in features.key.differences(source.key) if f not in ("dataset", "outputs")]
    other = [f for f in other if not f.startswith("version of reader")]
    if other:
        raise InputError(
            f"{where}: {features.dataset} / {features.backbone} are not the features it was made "
            f"with ({source.backbone}; different: {', '.join(other)})"
        )
    y = features.y
    if y is None or features.task != source.task:
        raise InputError(f"{where}: {features.dataset} has no labels of a {source.task}")
    found = predict_features(saved, features)
    if source.task == "regression":
        off = np.abs(np.asarray(y, float) - np.array([float(t) for t in found.predicted]))
    elif y.ndim == 2:
        limit = np.array([source.thresholds.get(n, 0.5) for n in found.classes])
        said = dict(zip(found.classes, (found.scores >= limit).T))
        told = np.stack([said.get(n, np.zeros(len(y), bool)) for n in features.classes], 1)
        known = np.isfinite(y) & np.isin(features.classes, found.classes)[None]
        off = np.where(known.any(1), (known & (told != (y > 0))).any(1), np.nan)
    else:
        truth = [features.classes[c] if c >= 0 else None for c in y]
        off = np.array(
            [np.nan if t is None else float(t != p) for t, p in zip(truth, found.predicted)]
        )
    return _column(off, source.task, saved.probe.name)


def _off(task: str, y: np.ndarray, p: np.ndarray, cut: np.ndarray | None) -> np.ndarray:
    """(n,) 1 where a decision is wrong, NaN where the truth is unknown; the error of a value."""
    if task == "regression":
        return np.abs(y - p[:, 0])
    if y.ndim == 2:
        limit = np.full(p.shape[1], 0.5)
        if cut is not None:
            limit = np.where(np.isfinite(cut), cut, 0.5)
        known = np.isfinite(y)
        wrong = known & ((p >= limit) != (y > 0))
        return np.where(known.any(1), wrong.any(1), np.nan)
    decided = p.argmax(1)
    if p.shape[1] == 2 and cut is not None and np.isfinite(cut[0]):
        decided = (p[:, 1] >= cut[0]).astype(int)
    return np.where(y >= 0, (decided != y).astype(float), np.nan)


def _column(off: np.ndarray, task: str, probe: str) -> Column:
    if task == "regression":
        return Column(f"absolute error of {probe}", values=off.astype(np.float32))
    codes = np.where(np.isnan(off), -1, off > 0.5).astype(np.int64)
    return Column(f"prediction of {probe}", codes, (RIGHT, WRONG))
