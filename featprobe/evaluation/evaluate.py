"""Evaluation of a probe under a protocol on a feature set."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from inspect import signature
from typing import Any

from featprobe.core import paths as settings
from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.jsonvalues import plain
from featprobe.evaluation import levels, model_selection
from featprobe.evaluation.fitted import View
from featprobe.evaluation.labelled import labelled
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
from featprobe.features.feature_set import TOKENS, FeatureSet
from featprobe.features.labeled_items import LabeledItems
from featprobe.features.prepare import Prepare
from featprobe.features.wanted import Wanted
from featprobe.metrics import thresholds
from featprobe.metrics.thresholds import NONE, YOUDEN, has_thresholds, rule_of
from featprobe.probes.base import Probe
from featprobe.probes.registry import PROBES
from featprobe.probes.selection import AUTO, Criterion
from featprobe.stats.resampling import RESAMPLES


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
    augmented: str = "",
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

    ``augmented``: what the stored augmented views of frames (``extract(views=8)``) are for:
    ``train``, epoch e of a probe that is trained in epochs sees view e modulo their number;
    ``test``, scores are the mean over all views of an item; ``both``.

    Raises :class:`InputError` when the features cannot be probed: no labels, one class, too few
    patients to split, targets that the probe is not for.
    """
    chosen = _seeded(protocol, seed)
    criterion = criterion_of(features, chosen, select, one_se, metric)
    made = make_probe(probe).fresh().choosing_by(criterion)
    views = requested_views(features, made, view, pool)
    data = labelled(features, chosen, views, made, Prepare(normalize, pca), augmented)
    data.select, rule = criterion, rule_of(threshold)
    data.decides = rule != NONE and has_thresholds(data.task, data.classes)
    reading = levels.read(level, subgroups, of_test(features, data, []))
    request_digest = request(
        features, made, chosen, view=view, pool=pool, normalize=normalize, pca=pca, level=level,
        subgroups=subgroups, resamples=resamples, select=select, one_se=one_se, metric=metric,
        threshold=threshold, augmented=augmented,
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
    if o["augmented"]:
        depends_on["augmented"] = o["augmented"]
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
    stored = features.store.layout.outputs
    usual = TOKENS if probe.tokens and TOKENS in stored else features.default_view
    return [View(n or usual, p) for n in names or [None] for p in pools or ["mean"]]


def idle_pool(features: FeatureSet, views: Sequence[View]) -> list[str]:
    """What to say of poolings that were asked for where every item has one frame."""
    pools = sorted({v.pool for v in views} - {"mean", "bag"})
    if not pools or features.several_frames:
        return []
    return [f"pool={','.join(pools)} has no effect: every item has one frame"]


def _fields(protocol: Protocol) -> dict[str, Any]:
    return {k: getattr(protocol, k) for k in protocol.__dataclass_fields__ if k != "name"}
