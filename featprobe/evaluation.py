"""A probe under a protocol on a feature set: Results."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from featprobe import levels, metrics, results, settings
from featprobe.backbones.catalog import seen_in_training
from featprobe.errors import InputError
from featprobe.features import FeatureSet, unlabeled
from featprobe.prepare import Prepare
from featprobe.probes.base import Probe
from featprobe.probes.named import PROBES
from featprobe.protocols import CrossVal, Full, LeaveOneOut, Protocol, make_split, parse
from featprobe.results import Result
from featprobe.runs import Cell, Data, View, carry_out
from featprobe.scored import Scored
from featprobe.scoring.sums import nan_mean
from featprobe.stats.components import components
from featprobe.stats.resampling import RESAMPLES, bootstrap, interval

KEPT_VIEWS, SMALL = 8, 20_000  # of sets with so few items several views stay in memory
NAMED_CLASSES = 50  # with more, metrics of single classes are not kept


def make_probe(probe: str | Probe, **params: Any) -> Probe:
    """A probe by name or as it is; unknown names and parameters are errors."""
    made = PROBES.get(probe)() if isinstance(probe, str) else probe
    return made.set_params(**params) if params else made


def evaluate(
    features: FeatureSet,
    probe: str | Probe,
    protocol: str | Protocol = "full",
    *,
    view: str | Sequence[str] | None = None,
    pool: str | Sequence[str] = "mean",
    normalize: bool = False,
    pca: int | None = None,
    level: str | levels.Level = "item",
    subgroups: levels.Column | None = None,
    resamples: int = RESAMPLES,
    seed: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    save: bool = False,
) -> list[Result]:
    """Probe a feature set.

    ``full``: every candidate of the probe is fitted on train and the one with the best macro AUROC
    (regression: the least squared error) on val chosen, refitted on train and val, and tested once;
    a probe that reports all (kNN) gives one Result a candidate, the chosen one marked. ``fewshot``:
    one Result for each number of shots, the mean over tries; val is not touched, and a probe with
    several candidates uses C = 1 (the middle one of others). ``cv``: every fold is test once and
    the next one val; metrics are means over folds. ``loo``: every item is scored by those of other
    patients (kNN).

    ``view``, ``pool``: see :meth:`~featprobe.features.FeatureSet.x`; of several, val chooses.
    ``normalize``, ``pca``: see :class:`~featprobe.prepare.Prepare`. ``seed``: of split and draws,
    over the protocol's own. ``save`` appends the results to the cache. ``level``: ``item``,
    ``patient``, or a :class:`~featprobe.levels.Level`; choosing is by item. ``subgroups``: a column
    (``FILE:COLUMN``, or a mapping from ids) by whose values metrics are shown apart.

    Raises :class:`InputError` when the features cannot be probed: no labels, one class, too few
    patients to split, targets that the probe is not for.
    """
    chosen = parse(protocol)
    if seed is not None:
        chosen = type(chosen)(**{**_fields(chosen), "seed": seed})
    made = make_probe(probe)
    views = asked_views(features, made, view, pool)
    data = labelled(features, chosen, views, made, Prepare(normalize, pca))
    reading = levels.read(level, subgroups, of_test(features, data, []))
    out = []
    start = time.perf_counter()
    for cell in carry_out(made, data, chosen):
        result = result_of(features, made, chosen, data, cell, resamples, reading)
        result.seconds = round(time.perf_counter() - start, 3)
        start = time.perf_counter()
        if save:
            keep(settings.cache_root(cache), features, result, data, cell, reading)
        out.append(result)
    return out


def fit_chosen(features: FeatureSet, probe: str | Probe, protocol: Full, result: Result) -> Probe:
    """The probe that a Result of the ``full`` protocol reports, fitted to the same items again."""
    made = make_probe(probe)
    view = View(result.view, result.pool)
    data = labelled(features, protocol, [view], made)
    rows = np.r_[data.split.train, data.split.val] if protocol.refit else data.split.train
    kept = {k: v for k, v in result.params.items() if k in made.candidates()[0]}
    return made.fresh(**kept).fit(data.read(view)[rows], data.y[rows])


def asked_views(
    features: FeatureSet, probe: Probe, view: str | Sequence[str] | None, pool: str | Sequence[str]
) -> list[View]:
    """Every view with every pooling; a probe of bags pools frames by itself."""
    names = [view] if view is None or isinstance(view, str) else list(view)
    pools = [pool] if isinstance(pool, str) else list(pool)
    if probe.bags:
        pools = ["bag"]
    return [View(n or features.default_view, p) for n in names or [None] for p in pools or ["mean"]]


def keep(
    root: Path, features: FeatureSet, result: Result, data: Data, cell: Cell,
    reading: levels.Reading,
) -> None:  # fmt: skip
    """Append a result and its scores to the cache; where that fails, a note says so."""
    test = data.split.test
    try:
        results.append(
            root, result, ids=data.ids[test], y=data.y[test], groups=data.groups[test],
            scores=_stacked(cell, len(test), data.columns), fold=_folds(cell, len(test)),
            unit=reading.unit, classes=features.classes,
        )  # fmt: skip
    except InputError as error:  # the numbers are worth more than their file
        result.notes.append(f"not kept: {error}")


def _fields(protocol: Protocol) -> dict[str, Any]:
    return {k: getattr(protocol, k) for k in protocol.__dataclass_fields__ if k != "name"}


def labelled(
    features: FeatureSet, protocol: Protocol, views: Sequence[View], probe: Probe | None = None,
    prepare: Prepare | None = None,
) -> Data:  # fmt: skip
    """The items whose label is known, under the split of a protocol.

    Raises :class:`InputError` for what cannot be probed (see :func:`evaluate`).
    """
    problem = unlabeled(features)
    if problem:
        raise InputError(problem)
    y, task = features.y, features.task
    assert y is not None
    assert task is not None
    where = f"{features.dataset} / {features.backbone}"
    if probe is not None and task not in probe.tasks:
        able = [n for n in PROBES.names() if task in PROBES.get(n)().tasks]
        raise InputError(
            f"{where}: {probe.name} is not for {task} targets; use one of {', '.join(able)}"
        )
    if y.ndim == 2:
        known = ~np.isnan(y).all(1)
    else:
        known = ~np.isnan(y) if task == "regression" else y >= 0
    if not known.any():
        raise InputError(f"{where}: every label is unknown")
    if np.isinf(y).any():
        first = features.ids[np.flatnonzero(np.isinf(y.reshape(len(y), -1)).any(1))[0]]
        raise InputError(f"{where}: the target of {str(first)!r} is infinite; relabel it")
    y, groups, ids = y[known], features.groups[known], features.ids[known]
    try:
        if isinstance(protocol, (CrossVal, LeaveOneOut)):
            split = protocol.split(groups, features.items.group_origin)
        else:
            split = make_split(
                y, groups, features.split[known], seed=protocol.seed,
                origin=features.items.split_origin, grouping=features.items.group_origin,
            )  # fmt: skip
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if y.ndim == 1 and task != "regression":
        for part in ("train", "test"):
            rows = getattr(split, part)
            present = np.unique(y[rows] if len(rows) else y)
            if len(present) < 2:
                raise InputError(
                    f"{where}: {part} holds one class only "
                    f"({features.classes[present[0]] if len(present) else 'none'})"
                )
    rows = np.flatnonzero(known)

    @lru_cache(maxsize=KEPT_VIEWS if len(rows) <= SMALL else 1)
    def read(view: View) -> Any:
        bags = view.pool == "bag"
        x: Any = features.bags(view.name) if bags else features.x(view.name, view.pool)
        x = x if len(rows) == len(x) else x[rows]
        finite = np.isfinite(x.frames if bags else x).all(1)
        bad = np.flatnonzero(~(np.logical_and.reduceat(finite, x.offsets[:-1]) if bags else finite))
        if len(bad):
            raise InputError(
                f"{where}: features of {len(bad)} items are NaN or infinite, first "
                f"{str(ids[bad[0]])!r}; extract again, or leave such items out"
            )
        return x

    return Data(
        read, views, y, groups, ids, task, len(features.classes), split, int((~known).sum()),
        prepare or Prepare(),
    )  # fmt: skip


def _stacked(cell: Cell, items: int, classes: int) -> np.ndarray:
    """Scores (tries, N, C); the folds of a cross-validation are one try together."""
    if cell.rows is None:
        return np.stack(cell.scores)
    out = np.empty((1, items, classes))
    for rows, p in zip(cell.rows, cell.scores):
        out[0, rows] = p
    return out


def _folds(cell: Cell, items: int) -> np.ndarray | None:
    """(N,) fold in which each item was tested, None without folds."""
    if cell.rows is None:
        return None
    out = np.empty(items, dtype=np.int64)
    for fold, rows in enumerate(cell.rows):
        out[rows] = fold
    return out


def of_test(features: FeatureSet, data: Data, tries: list[np.ndarray], rows: Any = None) -> Scored:
    test = data.split.test
    named = features.classes if len(features.classes) <= NAMED_CLASSES else ()
    ids, y, groups = data.ids[test], data.y[test], data.groups[test]
    return Scored(data.task, ids, y, groups, tries, rows, tuple(named))


def result_of(
    features: FeatureSet, probe: Probe, protocol: Protocol, data: Data, cell: Cell,
    resamples: int, reading: levels.Reading,
) -> Result:  # fmt: skip
    """The Result of a cell: metrics, intervals, and everything needed to read them."""
    items = of_test(features, data, cell.scores, cell.rows)
    scored = reading.reported(items)
    tries = scored.values()
    boot = bootstrap(scored, resamples=resamples, seed=protocol.seed)
    several = {n: v for n, v in tries.items() if len(v) > 1 and ":" not in n}
    notes = list(cell.notes)
    if data.unknown:
        notes.append(f"{data.unknown} items without a known label are not used")
    if data.split.crossing:
        notes.append(f"the official split has {data.split.crossing} patients on both sides")
    sizes = {**{n: len(getattr(data.split, n)) for n in ("train", "val", "test")}}
    sizes |= {"test_groups": scored.patients, "fit": cell.fitted}
    if reading.unit is not None:
        sizes["test_units"] = len(scored.ids)
    provenance = features.store.attributes["provenance"]
    return Result(
        dataset=features.dataset,
        backbone=features.backbone,
        probe=probe.name,
        protocol=protocol.name,
        metrics={n: float(nan_mean(v)) for n, v in tries.items()},
        ci={n: interval(v, scored.patients) for n, v in boot.items()},
        chance=metrics.chance(data.task, scored.y, data.classes, scored.classes),
        task=data.task,
        classes=data.classes,
        view=cell.view.name,
        pool=cell.view.pool,
        params=cell.params,
        settings={
            **protocol.to_dict(),
            "resamples": resamples,
            **reading.level.to_dict(),
            **data.prepare.to_dict(),
            **_several(data.views),
        },
        split=data.split.to_dict(data.ids, data.groups),
        sizes=sizes,
        key=features.key.digest,
        labels=features.items.labels_digest,
        random=bool(provenance.get("random")),
        overlap=_overlap(provenance, features.dataset),
        selected=cell.selected,
        searched=sorted({*cell.chosen, *probe.candidates()[0]}),
        shots=cell.shots,
        spread={n: float(np.std(v)) for n, v in several.items()},
        components={
            n: components(v, boot[n]).to_dict() for n, v in several.items() if cell.rows is None
        },  # folds have test patients of their own: what is between them is patients too
        subgroups=reading.subgroups(items, resamples, protocol.seed),
        val=cell.val,
        left_out=len(features.left_out),
        notes=notes,
        versions=results.versions(),
        provenance={"key": features.key.to_dict(), **provenance},
    )


def _several(views: Sequence[View]) -> dict[str, Any]:
    """The views that val chose among."""
    return {"views": ["/".join(v) for v in views]} if len(views) > 1 else {}


def _overlap(provenance: dict[str, Any], dataset: str) -> str:
    """Why the backbone has seen the data set in training; random weights have seen nothing."""
    if provenance.get("random"):
        return ""
    return seen_in_training(provenance.get("backbone") or {}, dataset)
