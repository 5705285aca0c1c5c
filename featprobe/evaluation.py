"""A probe under a protocol on a feature set: Results."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from featprobe import metrics, results, settings, stats
from featprobe.backbones.catalog import seen_in_pretraining
from featprobe.errors import InputError
from featprobe.features import FeatureSet, unlabeled
from featprobe.probes.base import Probe
from featprobe.protocols import CrossVal, FewShot, Full, make_split, parse
from featprobe.registry import Registry
from featprobe.results import Result
from featprobe.runs import Cell, Data, carry_out, scalars

PROBES = Registry("probe", "featprobe.probes", "PROBE", exclude=("base",))


def make_probe(probe: str | Probe, **params: Any) -> Probe:
    """A probe by name or as it is; unknown names and parameters are errors."""
    made = PROBES.get(probe)() if isinstance(probe, str) else probe
    return made.set_params(**params) if params else made


def evaluate(
    features: FeatureSet,
    probe: str | Probe,
    protocol: str | Full | FewShot | CrossVal = "full",
    *,
    view: str | None = None,
    pool: str = "mean",
    resamples: int = stats.RESAMPLES,
    seed: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    save: bool = False,
) -> list[Result]:
    """Probe a feature set.

    ``full``: every candidate of the probe is fitted on train and the one with the best macro AUROC
    on val chosen, refitted on train and val, and tested once; a probe that reports all (kNN) gives
    one Result a candidate, the chosen one marked. ``fewshot``: one Result for each number of shots,
    the mean over tries; val is not touched, and a probe with several candidates uses C = 1 (the
    middle one of others). ``cv``: every fold is test once and the next one val; metrics are means
    over folds.

    ``view``, ``pool``: see :meth:`~featprobe.features.FeatureSet.x`. ``seed``: of split and draws,
    over the protocol's own. ``save`` appends the results to the cache.

    Raises :class:`InputError` when the features cannot be probed: no labels, one class, too few
    patients to split.
    """
    chosen = parse(protocol)
    if seed is not None:
        chosen = type(chosen)(**{**_fields(chosen), "seed": seed})
    made = make_probe(probe)
    data = _data(features, view, pool, chosen)
    out = []
    start = time.perf_counter()
    for cell in carry_out(made, data, chosen):
        result = _result(features, made, chosen, data, cell, view, pool, resamples)
        result.seconds = round(time.perf_counter() - start, 3)
        start = time.perf_counter()
        if save:
            test = data.split.test
            try:
                results.append(
                    settings.cache_root(cache), result, ids=data.ids[test], y=data.y[test],
                    scores=_stacked(cell, len(test), data.classes), fold=_folds(cell, len(test)),
                )  # fmt: skip
            except InputError as error:  # the numbers are worth more than their file
                result.notes.append(f"not kept: {error}")
        out.append(result)
    return out


def _fields(protocol: Full | FewShot | CrossVal) -> dict[str, Any]:
    return {k: getattr(protocol, k) for k in protocol.__dataclass_fields__ if k != "name"}


def _data(
    features: FeatureSet, view: str | None, pool: str, protocol: Full | FewShot | CrossVal
) -> Data:
    problem = unlabeled(features)
    if problem:
        raise InputError(problem)
    y, task = features.y, features.task
    assert y is not None
    assert task is not None
    where = f"{features.dataset} / {features.backbone}"
    if task == "regression":
        raise InputError(f"{where}: regression targets; the probes here are for classes and labels")
    known = ~np.isnan(y).all(1) if y.ndim == 2 else y >= 0
    if not known.any():
        raise InputError(f"{where}: every label is unknown")
    y, groups, ids = y[known], features.groups[known], features.ids[known]
    try:
        if isinstance(protocol, CrossVal):
            split = protocol.split(groups, features.items.group_origin)
        else:
            split = make_split(
                y, groups, features.split[known], seed=protocol.seed,
                origin=features.items.split_origin, grouping=features.items.group_origin,
            )  # fmt: skip
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if y.ndim == 1:
        for part in ("train", "test"):
            rows = getattr(split, part)
            present = np.unique(y[rows] if len(rows) else y)
            if len(present) < 2:
                raise InputError(
                    f"{where}: {part} holds one class only "
                    f"({features.classes[present[0]] if len(present) else 'none'})"
                )
    x = features.x(view, pool)[known]
    return Data(
        x, y, groups, ids, task, len(features.classes), split, int((~known).sum())
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


def _result(
    features: FeatureSet, probe: Probe, protocol: Full | FewShot | CrossVal, data: Data,
    cell: Cell, view: str | None, pool: str, resamples: int,
) -> Result:  # fmt: skip
    test = data.split.test
    y, groups = data.y[test], data.groups[test]
    of = cell.rows or [np.arange(len(test))] * len(cell.scores)
    tries = [scalars(metrics.compute(data.task, y[r], p)) for r, p in zip(of, cell.scores)]
    values = {n: float(np.mean([t[n] for t in tries])) for n in tries[0]}
    boot = stats.bootstrap(
        data.task, y, cell.scores, groups, rows=cell.rows, resamples=resamples, seed=protocol.seed
    )
    notes = list(cell.notes)
    if data.unknown:
        notes.append(f"{data.unknown} items without a known label are not used")
    if data.split.crossing:
        notes.append(f"the official split has {data.split.crossing} patients on both sides")
    sizes = {**{n: len(getattr(data.split, n)) for n in ("train", "val", "test")}}
    sizes |= {"test_groups": len(np.unique(groups)), "fit": cell.fitted}
    provenance = features.store.attributes["provenance"]
    return Result(
        dataset=features.dataset,
        backbone=features.backbone,
        probe=probe.name,
        protocol=protocol.name,
        metrics=values,
        ci={n: stats.interval(v) for n, v in boot.items()},
        chance=metrics.chance(data.task, y, data.classes),
        task=data.task,
        classes=data.classes,
        view=view or features.default_view,
        pool=pool,
        params=cell.params,
        settings={**protocol.to_dict(), "resamples": resamples},
        split=data.split.to_dict(data.ids, data.groups),
        sizes=sizes,
        key=features.key.digest,
        labels=features.items.labels_digest,
        random=bool(provenance.get("random")),
        overlap=_overlap(provenance, features.dataset),
        selected=cell.selected,
        searched=sorted(probe.candidates()[0]),
        shots=cell.shots,
        spread={n: float(np.std([t[n] for t in tries])) for n in values} if len(tries) > 1 else {},
        val=cell.val,
        left_out=len(features.left_out),
        notes=notes,
        versions=results.versions(),
        provenance={"key": features.key.to_dict(), **provenance},
    )


def _overlap(provenance: dict[str, Any], dataset: str) -> str:
    """Why the backbone has seen the data set in pretraining; random weights have seen nothing."""
    origin = provenance.get("backbone") or {}
    if provenance.get("random"):
        return ""
    return seen_in_pretraining(str(origin.get("name", "")), dataset)
