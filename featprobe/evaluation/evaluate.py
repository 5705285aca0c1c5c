"""Evaluation of a probe under a protocol on a feature set."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np

from featprobe.core import paths as settings
from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.jsonvalues import plain
from featprobe.evaluation import levels, model_selection
from featprobe.evaluation.fitted import Data, View
from featprobe.evaluation.protocols import (
    CrossVal,
    FewShot,
    Full,
    LeaveOneOut,
    Protocol,
    in_digests,
    parse,
)
from featprobe.evaluation.reporting import keep, of_test, result_of
from featprobe.evaluation.result_list import Results
from featprobe.evaluation.run_protocol import run_protocol
from featprobe.features.feature_set import FeatureSet, unlabeled
from featprobe.features.labeled_items import LabeledItems
from featprobe.features.prepare import Prepare
from featprobe.features.wanted import Wanted
from featprobe.metrics import thresholds
from featprobe.metrics.thresholds import NONE, YOUDEN, has_thresholds, rule_of
from featprobe.probes.base import Probe
from featprobe.probes.registry import PROBES
from featprobe.probes.selection import AUTO, Criterion
from featprobe.splits.partition import VERSION, Partitioner, known_targets
from featprobe.stats.resampling import RESAMPLES

KEPT_VIEWS, SMALL = 8, 20_000  # of sets with so few items several views stay in memory


def make_probe(probe: str | Probe, **params: Any) -> Probe:
    """Make a probe from its name, or return it; raises for unknown names and parameters."""
    made = PROBES.get(probe)() if isinstance(probe, str) else probe
    return made.set_params(**params) if params else made


def evaluate(
    features: FeatureSet,
    probe: str | Probe,
    protocol: str | Protocol = "full",
    *,
    view: str | Sequence[str] | Wanted | None = None,
    pool: str | Sequence[str] = "mean",
    normalize: bool = False,
    pca: int | None = None,
    level: str | levels.Level = "item",
    subgroups: levels.Column | None = None,
    resamples: int = RESAMPLES,
    seed: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    save: bool = False,
    select: str = AUTO,
    one_se: bool = True,
    metric: str | None = None,
    threshold: str | float = YOUDEN,
) -> Results:
    """Probe a feature set.

    ``full``: every candidate of the probe is fitted on train and the best one on val chosen,
    refitted on train and val, and tested once; a probe that reports all (kNN) gives one Result a
    candidate, the chosen one marked. ``fewshot``: one Result for each number of shots, the mean
    over tries; val is not touched unless the protocol says ``choose``, and a probe with several
    candidates uses C = 1 (the middle one of others). ``cv``: every fold is test once and the next
    one val; metrics are means over folds. ``loo``: every item is scored by those of other patients
    (kNN).

    ``view``, ``pool``: see :meth:`~featprobe.features.feature_set.FeatureSet.x`; of several, val
    chooses. A view may be what a study wants of each kind of backbone, a
    :class:`~featprobe.features.wanted.Wanted`. ``normalize``, ``pca``: see
    :class:`~featprobe.features.prepare.Prepare`. ``seed``: of split and draws, over the protocol's
    own. ``save`` appends the results to the cache. ``level``: ``item``, ``patient``, or a
    :class:`~featprobe.evaluation.levels.Level`; choosing is by item.
    ``subgroups``: a column (``FILE:COLUMN``, or a mapping from ids) by whose values metrics are
    shown apart.

    ``select``: by what val chooses, ``log_loss`` or a metric; ``auto`` is ``metric``, the one that
    results will be ranked by (None: the task's), or ``log_loss`` where that sees ranks alone.
    ``one_se``: of what val cannot tell apart the simplest is taken, see
    :class:`~featprobe.probes.selection.Criterion`. ``threshold``: how those of decisions between
    two classes and of labels are chosen on val, see :func:`~featprobe.metrics.thresholds.rule_of`.

    Raises :class:`InputError` when the features cannot be probed: no labels, one class, too few
    patients to split, targets that the probe is not for.
    """
    chosen = _seeded(protocol, seed)
    criterion = criterion_of(features, chosen, select, one_se, metric)
    made = make_probe(probe).fresh().choosing_by(criterion)
    views = requested_views(features, made, view, pool)
    data = labelled(features, chosen, views, made, Prepare(normalize, pca))
    data.select, rule = criterion, rule_of(threshold)
    data.decides = rule != NONE and has_thresholds(data.task, data.classes)
    reading = levels.read(level, subgroups, of_test(features, data, []))
    request_digest = request(
        features, made, chosen, view=view, pool=pool, normalize=normalize, pca=pca, level=level,
        subgroups=subgroups, resamples=resamples, select=select, one_se=one_se, metric=metric,
        threshold=threshold,
    )  # fmt: skip
    idle = [*made.idle(), *idle_pool(features, views), *model_selection.idle(made, data)]
    idle += thresholds.idle(rule, data.decides and isinstance(chosen, (Full, CrossVal)))
    out = Results()
    start = time.perf_counter()
    for cell in run_protocol(made, data, chosen):
        result = result_of(
            features,
            made.name,
            sorted(made.candidates()[0]),
            chosen,
            data,
            cell,
            resamples,
            reading,
            rule,
        )
        result.request = request_digest
        result.notes += idle
        result.seconds = round(time.perf_counter() - start, 3)
        start = time.perf_counter()
        if save:
            keep(settings.cache_root(cache), features, result, data, cell, reading)
        out.append(result)
    return out


def request(
    features: FeatureSet, probe: str | Probe, protocol: str | Protocol = "full", **options: Any
) -> str:
    """Digest of everything that Results of :func:`evaluate` depend on: their ``request``.

    ``options``: those of :func:`evaluate`, with its defaults; ``cache`` and ``save`` change
    nothing. Nothing is fitted. A column of studies or subgroups counts by its name.
    """
    values = signature(evaluate).bind(features, probe, protocol, **options)
    values.apply_defaults()
    o = values.arguments
    made, chosen = make_probe(probe), _seeded(protocol, o["seed"])
    criterion = criterion_of(features, chosen, o["select"], o["one_se"], o["metric"])
    level, subgroups, rule = o["level"], o["subgroups"], rule_of(o["threshold"])
    reading = levels.Level(level) if isinstance(level, str) else level
    depends_on = {
        "dataset": features.dataset, "backbone": features.backbone,
        "key": features.key.digest, "labels": features.items.labels_digest,
        "probe": made.name, "params": made.recorded(), "protocol": in_digests(chosen.to_dict()),
        "views": requested_views(features, made, o["view"], o["pool"]), "resamples": o["resamples"],
        **Prepare(o["normalize"], o["pca"]).to_dict(), **reading.to_dict(),
        "subgroups": subgroups if isinstance(subgroups, str) else subgroups is not None,
    }  # fmt: skip
    if criterion is not None and not criterion.usual:
        depends_on |= criterion.to_dict()
    if rule != YOUDEN:
        depends_on["threshold"] = rule
    return digest(plain(depends_on))


def _seeded(protocol: str | Protocol, seed: int | None) -> Protocol:
    chosen = parse(protocol)
    return chosen if seed is None else type(chosen)(**{**_fields(chosen), "seed": seed})


def criterion_of(
    labeled: LabeledItems, protocol: Protocol, select: str, one_se: bool, metric: str | None
) -> Criterion | None:
    """By what val chooses; None for items without a task, which are refused later."""
    unseen = isinstance(protocol, LeaveOneOut) or (
        isinstance(protocol, FewShot) and not protocol.choose
    )
    if unseen and (select, one_se) != (AUTO, True):
        raise InputError(
            f"select says how val chooses, which {protocol.name} does not look at: leave it out"
        )
    if labeled.task is None:
        return None
    return Criterion.of(labeled.task, select, one_se, metric)


def requested_views(
    features: FeatureSet, probe: Probe, view: str | Sequence[str] | Wanted | None,
    pool: str | Sequence[str],
) -> list[View]:  # fmt: skip
    """List every view with every pooling; probes of bags pool frames themselves."""
    view = view.stored(features) if isinstance(view, Wanted) else view
    names = [view] if view is None or isinstance(view, str) else list(view)
    pools = [pool] if isinstance(pool, str) else list(pool)
    if probe.bags:
        pools = ["bag"]
    return [View(n or features.default_view, p) for n in names or [None] for p in pools or ["mean"]]


def idle_pool(features: FeatureSet, views: Sequence[View]) -> list[str]:
    """What to say of poolings that were asked for where every item has one frame."""
    pools = sorted({v.pool for v in views} - {"mean", "bag"})
    if not pools or features.several_frames:
        return []
    return [f"pool={','.join(pools)} has no effect: every item has one frame"]


def _fields(protocol: Protocol) -> dict[str, Any]:
    return {k: getattr(protocol, k) for k in protocol.__dataclass_fields__ if k != "name"}


def labelled(
    features: FeatureSet, protocol: Protocol, views: Sequence[View], probe: Probe | None = None,
    prepare: Prepare | None = None,
) -> Data:  # fmt: skip
    """Select the items with a known label, under the split of a protocol, with their features.

    Raises :class:`InputError` for what cannot be probed (see :func:`evaluate`).
    """
    data, rows = split_items(features, protocol, probe)
    where = f"{features.dataset} / {features.backbone}"

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
                f"{str(data.ids[bad[0]])!r}; extract again, or leave such items out"
            )
        return x

    return replace(data, read=read, views=views, prepare=prepare or Prepare())


def split_items(
    labeled: LabeledItems, protocol: Protocol, probe: Probe | None = None
) -> tuple[Data, np.ndarray]:
    """Select the items with a known label, without features; also returns their rows.

    Raises as :func:`labelled`.
    """
    problem = unlabeled(labeled)
    if problem:
        raise InputError(problem)
    y, task = labeled.y, labeled.task
    assert y is not None
    assert task is not None
    where = f"{labeled.dataset} / {labeled.backbone}"
    if probe is not None and task not in probe.tasks:
        able = [n for n, kind in PROBES.all().items() if task in kind().tasks]
        raise InputError(
            f"{where}: {probe.name} is not for {task} targets; use one of {', '.join(able)}"
        )
    known = known_targets(y)
    if not known.any():
        raise InputError(f"{where}: every label is unknown")
    if np.isinf(y).any():
        first = labeled.ids[np.flatnonzero(np.isinf(y.reshape(len(y), -1)).any(1))[0]]
        raise InputError(f"{where}: the target of {str(first)!r} is infinite; relabel it")
    y, groups, ids = y[known], labeled.groups[known], labeled.ids[known]
    try:
        partitioner = Partitioner(
            y, groups, ids, getattr(protocol, "split_version", VERSION),
            labeled.items.group_origin, labeled.classes,
        )  # fmt: skip
        split = protocol.split(partitioner, labeled.split[known], labeled.items.split_origin)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if y.ndim == 1 and task != "regression":
        for part in ("train", "test"):
            rows = getattr(split, part)
            present = np.unique(y[rows] if len(rows) else y)
            if len(present) < 2:
                raise InputError(
                    f"{where}: {part} holds one class only "
                    f"({labeled.classes[present[0]] if len(present) else 'none'})"
                )
    data = Data(
        _none, (), y, groups, ids, task, len(labeled.classes), split, int((~known).sum())
    )  # fmt: skip
    return data, np.flatnonzero(known)


def _none(view: View) -> Any:
    raise AssertionError("these items have no features")
