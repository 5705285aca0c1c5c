"""The metrics of each task, computed for many weightings of the samples at once.

One bootstrap of B resamples is one call: a weighting says how often each group of samples (a
patient) counts. With ones the values equal scikit-learn's. A class that is absent under a weighting
is left out of the mean over classes; where nothing is left the value is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from featprobe.core.errors import InputError, nearest
from featprobe.core.plugins import loaded
from featprobe.core.threads import cores, on_threads
from featprobe.metrics.curve import Curve, operating, point_name
from featprobe.metrics.decisions import TOP, Multiclass, Multilabel
from featprobe.metrics.known import METRICS, ON_REQUEST, TASKS, Metric
from featprobe.metrics.one_vs_one import OneVsOne
from featprobe.metrics.operating_point import OperatingPoint
from featprobe.metrics.plugins import CustomMetric, Measured
from featprobe.metrics.segmentation import Segmentation
from featprobe.metrics.sums import nan_mean, weighted_mean
from featprobe.metrics.values import Regression

WEIGHTED = "auroc_weighted"
LARGE = 1_000_000  # scores, or counts of items, from which a thread for each core pays


def names(task: str) -> tuple[str, ...]:
    """Names of the metrics of a task; the first one ranks, the first three are shown in tables.

    Those that others registered for it come last. Raises :class:`InputError` for a task without
    metrics.
    """
    if task not in TASKS:
        raise InputError(f"no metrics for task {task!r}; there are {', '.join(TASKS)}")
    return TASKS[task] + tuple(n for n, m in custom().items() if task in m.tasks)


def has(task: str, name: str) -> bool:
    """Whether a task has a metric, on request at least; ``auroc:Effusion`` where it has AUROC."""
    base = name.partition(":")[0]
    point = operating(base) is not None and task in ON_REQUEST
    return base in names(task) or base in ON_REQUEST.get(task, ()) or point


def custom() -> dict[str, CustomMetric]:
    """Metrics registered by other packages and scripts, by name."""
    return loaded("metric", METRICS)


def every() -> tuple[str, ...]:
    """Names of all metrics of all tasks."""
    return (*METRICS, *custom())


def label(name: str) -> str:
    """How a metric of a kept result is called in tables; its name where no package has it now."""
    base = name.partition(":")[0]
    return about(name).label if base in every() or operating(base) else name


def in_order(there: Iterable[str]) -> list[str]:
    """Sort the metrics of a result in table order; those of missing packages come last."""
    whole = {n for n in there if ":" not in n}
    return [*(n for n in every() if n in whole), *sorted(whole - set(every()))]


def ranking(task: str) -> str:
    """Name of the metric by which results of a task are ranked and models selected."""
    return names(task)[0]


def about(name: str) -> Metric:
    """Look up the properties of a metric; ``auroc:Effusion`` is that of one class.

    Raises :class:`InputError` for a name that no task has.
    """
    base, colon, of = name.partition(":")
    others = custom()
    if operating(base):
        return Metric(f"{point_name(base)} {of}".strip(), ranks=True)
    if base in others:
        return Metric(f"{others[base].label or base} {of}".strip(), others[base].higher)
    if base not in METRICS:
        raise InputError(
            f"no metric {name!r}.{nearest(base, every())} There are {', '.join(every())}, other "
            "points as 'sens_at_90spec' and 'spec_at_80sens', and for one class 'auroc:CLASS'"
        )
    found = METRICS[base]
    return replace(found, label=f"{found.label} {of}") if colon else found


class Measure:
    """The metrics of one set of scored samples, prepared once and computed for any weighting.

    multiclass, ordinal: ``y`` (N,) class indices, ``p`` (N, C) scores. AUROC, AP and the operating
    points are one-vs-rest; their mean and that of balanced accuracy are unweighted over the classes
    present, those of precision, recall and F1 over the classes that are true or predicted;
    ``_weighted`` ones by how often each class is true. Decisions are the highest score.
    multilabel: ``y`` (N, C) of 0, 1, NaN, ``p`` (N, C); each label over its known samples, labels
    averaged, decisions at 0.5.
    regression: ``y`` (N,), ``p`` (N, 1).
    segmentation: ``y`` (N, C) voxels of each class, ``p`` (N, 8 C) what each item reached
    (:class:`~featprobe.metrics.segmentation.Segmentation`); means over items, then over classes.

    ``code`` (N,): the group of each sample, 0 .. ``groups`` - 1; by default each is its own.
    ``classes``: their names, if values of single classes are wanted, which are called
    ``auroc:NAME``. ``wanted``: which metrics, by default all of the task, those of single classes
    with them. ``cut``: thresholds (1,) of the second of two classes, or (C,) of labels, where
    decisions at these are wanted too (:class:`~featprobe.metrics.operating_point.OperatingPoint`).

    The formulas are in :class:`~featprobe.metrics.curve.Curve`,
    :class:`~featprobe.metrics.decisions.Multiclass`, ``Multilabel`` and
    :class:`~featprobe.metrics.values.Regression`.
    """

    def __init__(
        self,
        task: str,
        y: np.ndarray,
        p: np.ndarray,
        code: np.ndarray | None = None,
        groups: int | None = None,
        *,
        wanted: Sequence[str] | None = None,
        classes: Sequence[str] = (),
        cut: np.ndarray | None = None,
    ) -> None:
        of_task = names(task) if cut is None else (*names(task), *OperatingPoint.NAMES)
        if p.shape[1] <= TOP:  # every class is among the first ones
            of_task = tuple(n for n in of_task if n != "top5")
        self.names = of_task if wanted is None else tuple(wanted)
        bases = {n.partition(":")[0] for n in self.names}
        if cut is None and (without := sorted(bases & set(OperatingPoint.NAMES))):
            raise InputError(f"no thresholds were chosen here, so there is no {without[0]}")
        if foreign := sorted(b for b in bases - set(of_task) if not has(task, b)):
            raise InputError(f"{task} has no {foreign[0]}; it has {', '.join(names(task))}")
        code = np.arange(len(y)) if code is None else code
        groups = len(y) if groups is None else groups
        self._classes, self._every = list(classes), wanted is None
        self._curves: list[Curve] = []
        points = sorted(b for b in bases if operating(b) and b not in Curve.NAMES)
        self._on_curves = (*(n for n in Curve.NAMES if n in bases), *points)
        self._weighted = WEIGHTED in bases
        self._pairs: OneVsOne | None = None
        self._others: Multiclass | Multilabel | Regression | Segmentation | None = None
        self._decided: OperatingPoint | None = None
        registered = [m for n, m in custom().items() if n in bases]
        at = p[:, 0] if task == "regression" else p
        self._registered = Measured(registered, y, at, code) if registered else None
        bases -= {m.name for m in registered}
        if task == "regression":
            self._others = Regression(y, p[:, 0], code, groups)
            return
        if task == "segmentation":
            self._others = Segmentation(p, code, groups)
            return
        if self._on_curves or self._weighted:

            def sort(c: int) -> Curve:
                known = ~np.isnan(y[:, c]) if y.ndim == 2 else slice(None)
                positive = y[known, c] == 1 if y.ndim == 2 else y == c
                return Curve(positive, p[known, c], code[known], groups)

            threads = cores() if p.size >= LARGE else 1
            self._curves = list(on_threads(sort, range(p.shape[1]), threads))
        if cut is not None and bases & set(OperatingPoint.NAMES):
            self._decided = OperatingPoint(y, p, code, groups, cut)
        if OneVsOne.NAME in bases:
            self._pairs = OneVsOne(y, p, code, groups)
        curved = {*self._on_curves, WEIGHTED, OneVsOne.NAME}
        if bases - curved - set(OperatingPoint.NAMES):
            kind = Multilabel if y.ndim == 2 else Multiclass
            self._others = kind(y, p, code, groups)

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Name -> (B,) under ``counts`` (G, B) of the groups; of an unsigned dtype curves are
        quickest (:class:`~featprobe.metrics.curve.Curve`)."""
        found: dict[str, np.ndarray] = {}
        for part in (self._others, self._decided, self._registered):
            if part is not None:
                found |= part(counts.astype(np.float64, copy=False))
        whole = counts.dtype.kind == "u"
        counts = counts if whole else counts.astype(np.float64, copy=False)
        peak = int(counts.max(initial=0)) if whole else None
        found |= {} if self._pairs is None else self._pairs(counts, peak)
        more = ("auroc", "positive") if self._weighted else ()
        curves = [curve(counts, (*self._on_curves, *more), peak) for curve in self._curves]
        found |= {n: np.stack([c[n] for c in curves]) for n in self._on_curves}
        if self._weighted:
            area, positive = (np.stack([c[n] for c in curves]) for n in more)
            found[WEIGHTED] = weighted_mean(area, positive)
        out = {}
        for name in self.names:
            base, colon, of = name.partition(":")
            value = found[base]
            if colon:
                out[name] = self._one(name, value, of)
                continue
            out[name] = nan_mean(value) if value.ndim == 2 else value
            if value.ndim == 2 and self._every:
                out |= {f"{name}:{c}": v for c, v in zip(self._classes, value)}
        return out

    def _one(self, name: str, value: np.ndarray, of: str) -> np.ndarray:
        if value.ndim == 1 or of not in self._classes:
            raise InputError(f"no metric {name!r}.{nearest(of, self._classes)}")
        return value[self._classes.index(of)]


def compute(
    task: str,
    y: np.ndarray,
    p: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    wanted: Sequence[str] | None = None,
    classes: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Compute the metrics of a task: name -> (B,), for ``weights`` (B, N) of items or ones.

    Arguments otherwise as of :class:`Measure`.
    """
    w = np.ones((1, len(y))) if weights is None else np.asarray(weights, dtype=np.float64)
    measure = Measure(task, y, np.asarray(p), wanted=wanted, classes=classes)
    return measure(np.ascontiguousarray(w.T))


def chance(
    task: str, y: np.ndarray, classes: int, of: Sequence[str] = (),
    wanted: Sequence[str] | None = None,
) -> dict[str, float]:  # fmt: skip
    """What a predictor reaches that gives every sample the same scores: how often each class
    (label) occurs in ``y``, or the mean of ``y``.

    Its decision is the most frequent class, the more frequent value of each label. ``of``: names of
    the classes, ``wanted`` metrics, as in :class:`Measure`. AUROC is 0.5 where it is defined.
    """
    if task == "regression":
        constant = np.array([y.mean()])
    elif y.ndim == 2:
        constant = nan_mean(y)
    else:
        constant = np.bincount(y, minlength=classes)[:classes] / len(y)
    p = np.tile(np.nan_to_num(constant), (len(y), 1))
    found = compute(task, y, p, wanted=wanted, classes=of)
    return {n: float(v[0]) for n, v in found.items()}
