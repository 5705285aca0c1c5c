"""Metrics that a kept result does not have, computed from its kept scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.metrics import measures as metrics
from featprobe.stats.resampling import RESAMPLES
from featprobe.stats.summary import summarize


def computed(cache: Path, found: Sequence[Result], metric: str) -> list[Result]:
    """The results, those without ``metric`` with it: value, interval, chance and spread.

    That is for what no result has unless it is named (``auroc_ovo``, ``sens_at_90spec``), and for
    what results of earlier versions lack. One whose scores are gone, whose task does not have the
    metric, or which was not decided by thresholds, stays as it is.
    """
    return [_with(cache, r, metric) for r in found]


def _with(cache: Path, r: Result, metric: str) -> Result:
    if metric in r.metrics or not metrics.has(r.task, metric):
        return r
    try:
        scored = results.scored(cache, r)
        seeds = (1 if r.shots is None else len(scored.tries) // len(r.seeds)) if r.seeds else 0
        made = summarize(
            scored, resamples=int(r.settings.get("resamples", RESAMPLES)),
            seed=int(r.settings.get("seed") or 0), draws=r.shots is not None,
            shared=r.split.get("shared"), seeds=seeds, wanted=[metric],
        )  # fmt: skip
        chance = metrics.chance(r.task, scored.y, r.classes, scored.classes, [metric])
    except InputError:
        return r
    return replace(
        r,
        metrics=r.metrics | made.values,
        ci=r.ci | made.intervals.ci,
        ci_method=r.ci_method | made.intervals.method,
        chance=r.chance | chance,
        spread=r.spread | made.spread,
        components=r.components | made.components,
        notes=list(dict.fromkeys([*r.notes, *made.intervals.notes])),
    )
