"""Pairs of frozen and trained backbones, and quality against what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from featprobe.evaluation.results import Result
from featprobe.leaderboard.across import competitor
from featprobe.leaderboard.leagues import distinctions, leagues
from featprobe.leaderboard.row_labels import Among, finetuned, probe_name
from featprobe.metrics import measures as metrics

COSTS = {
    "parameters": "parameters",
    "images_per_second": "frames/s",
    "seconds": "seconds of fit",
    "store": "bytes of the store",
}  # name -> how its axis is called


@dataclass(frozen=True)
class Point:
    """``x`` and ``y`` with their intervals, NaN where there is none. ``group``: what shares a
    colour."""

    label: str
    group: str
    x: float
    y: float
    x_ends: tuple[float, float] = (math.nan, math.nan)
    y_ends: tuple[float, float] = (math.nan, math.nan)


@dataclass(frozen=True)
class Cloud:
    """Points on one pair of axes."""

    title: str
    x: str
    y: str
    points: list[Point]


def pairs(results: Sequence[Result], metric: str | None = None) -> list[Cloud]:
    """Each fine-tuning over the frozen probe of its backbone in its league, by metric.

    The frozen probe is the linear one where there is one, else the first by name: never the best on
    test, which would flatter it.
    """
    by: dict[str, list[Point]] = {}
    for (dataset, *_), members in sorted(leagues(results).items()):
        name = metric or metrics.ranking(members[0].task)
        frozen: dict[str, Result] = {}
        for r in sorted(members, key=lambda r: (r.probe != "logistic", probe_name(r))):
            if not finetuned(r):
                frozen.setdefault(r.backbone, r)
        for r in members:
            base = frozen.get(r.backbone)
            if not finetuned(r) or base is None or name not in r.metrics:
                continue
            label = f"{dataset}: {r.backbone}, {probe_name(r)} over {probe_name(base)}"
            at = (base.metrics.get(name, math.nan), r.metrics[name])
            if not any(map(math.isnan, at)):
                ends = [o.ci.get(name, (math.nan, math.nan)) for o in (base, r)]
                by.setdefault(name, []).append(Point(label, dataset, *at, *ends))
    return [
        Cloud("frozen and trained", f"{label} frozen", f"{label} trained", found)
        for name, found in by.items()
        for label in [metrics.about(name).label]
    ]


def costs(results: Iterable[Result], cache: Path | None = None) -> dict[str, dict[str, float]]:
    """By id what is known of :data:`COSTS`: of a training its own, of a probe the parameters of the
    backbone as the catalog has them, the seconds of its fit, and of the ``cache`` the size of the
    store of its features and the rate at which they were extracted."""
    stores = {} if cache is None else _stores(cache)
    out = {}
    for r in results:
        found = {"seconds": r.seconds, "parameters": _parameters(r.backbone)}
        found |= stores.get(r.key, {})
        found |= {n: r.cost[n] for n in COSTS if n in r.cost}
        out[r.id] = {n: v for n, v in found.items() if v and not math.isnan(v)}
    return out


def _parameters(backbone: str) -> float:
    from featprobe.backbones.plugins import models

    spec = models().get(backbone.partition("@")[0])
    return math.nan if spec is None else 1e6 * spec.parameters


def _stores(cache: Path) -> dict[str, dict[str, float]]:
    """By digest of the key: size and rate."""
    from featprobe.store.cache import entries

    out: dict[str, dict[str, float]] = {}
    for e in entries(cache):
        if e.store is not None:
            rate = (e.store.attributes.get("summary") or {}).get("rate") or math.nan
            out[e.store.key.digest] = {"store": float(e.bytes), "images_per_second": float(rate)}
    return out


def over_cost(
    results: Sequence[Result], known: Mapping[str, Mapping[str, float]], cost: str,
    metric: str | None = None,
) -> list[Cloud]:  # fmt: skip
    """For each league a cloud of the metric over a cost (of :func:`costs`), where two results have
    it."""
    out, apart = [], distinctions(results)
    there = [r for r in results if cost in known.get(r.id, {})]
    for key, members in sorted(leagues(there).items()):
        title = f"{key[0]} ({apart[key]})" if apart[key] else key[0]
        name, among = metric or metrics.ranking(members[0].task), Among(members)
        found = [
            Point(
                competitor(r, among), probe_name(r), known[r.id][cost], r.metrics[name],
                y_ends=r.ci.get(name, (math.nan, math.nan)),
            )
            for r in members
            if not math.isnan(r.metrics.get(name, math.nan))
        ]  # fmt: skip
        if len({p.x for p in found}) > 1:
            out.append(Cloud(title, COSTS[cost], metrics.about(name).label, found))
    return out
