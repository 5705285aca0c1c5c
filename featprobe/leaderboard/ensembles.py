"""Ensembles: the scores of several results on the same test items, averaged into one Result.

``probabilities``: their arithmetic mean, the linear opinion pool. ``logits``: the mean of
log-odds of two classes and of labels, of log-probabilities of more, as a probability again: the
geometric mean, the logarithmic opinion pool (Genest and Zidek 1986). Members weigh the same, or as
they are told to, or as their scores of val choose; test scores choose nothing. Ranks are not
averaged: they depend on which items are tested along, and are no probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.versions import versions_of
from featprobe.evaluation import results
from featprobe.evaluation.reporting import NAMED_CLASSES, kept_scores
from featprobe.evaluation.results import Result
from featprobe.features.joined_views import JOIN
from featprobe.leaderboard.ensemble_weights import (
    EQUAL,
    ON_VAL,
    Weights,
    combined,
    on_val,
    read_weights,
)
from featprobe.leaderboard.kept_scores import called, load
from featprobe.leaderboard.leagues import identity, short
from featprobe.leaderboard.row_labels import ENSEMBLE, probe_name
from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.resampling import RESAMPLES
from featprobe.stats.summary import summarize
from featprobe.store.format import FeatureKey

COMBINE = ("probabilities", "logits")
GIVEN = "given"  # how weights came about
MAY_DIFFER = ("image-size", "selection", "seed")  # of members; how they were split may not


def ensemble(
    cache: Path, members: Sequence[Result], combine: str = "probabilities", *,
    weights: str | Sequence[float | str] = EQUAL, resamples: int = RESAMPLES, save: bool = False,
) -> Result:  # fmt: skip
    """Average the kept scores of results, try by try, and report the mean as a Result of its own.

    Metrics, intervals and tests over patients are those of any Result. Decisions are the highest
    score, of labels at one half: thresholds of members are of their own scores. ``weights``:
    ``equal``, a number for each member, or ``val``, those of the least loss on the kept validation
    scores (:func:`~featprobe.leaderboard.ensemble_weights.on_val`). ``save`` keeps it.

    Raises :class:`InputError` for fewer than two members, one that is there twice, and members of
    other test items, labels, splits or draws, naming in what they differ; and what
    :func:`~featprobe.leaderboard.ensemble_weights.read_weights` raises.
    """
    if combine not in COMBINE:
        raise InputError(f"scores are averaged as {' or '.join(COMBINE)}, not {combine!r}")
    if len(members) < 2:
        raise InputError(f"an ensemble has two members or more, not {len(members)}")
    if twice := [r for i, r in enumerate(members) if r.id in [m.id for m in members[:i]]]:
        raise InputError(
            f"{called(twice[0])} ({twice[0].id}) is there twice: it would weigh double"
        )
    refuse_unlike(members)
    first, given = members[0], read_weights(weights, len(members))
    if first.task == "segmentation":
        raise InputError("results of masks have no scores that could be averaged")
    kept = load(cache, members, metrics.ranking(first.task))
    if kept.left_out:
        raise InputError(next(iter(kept.left_out.values())))
    several = [kept.scored[r.id] for r in members]
    if given == ON_VAL:
        weighed = on_val(cache, members, combine, len(several[0].tries))
    else:
        even = np.full(len(members), 1 / len(members))
        each = even if isinstance(given, str) else np.array(given)
        weighed = Weights(each[None], EQUAL if np.allclose(each, even, atol=1e-12) else GIVEN)
    scored = _averaged(several, members, combine, weighed)
    named = scored.classes if len(scored.classes) <= NAMED_CLASSES else ()
    seed = int(first.settings.get("seed") or 0)
    found = summarize(
        replace(scored, classes=named), resamples=resamples, seed=seed,
        draws=first.shots is not None, shared=first.split.get("shared"),
    )  # fmt: skip
    common = _in_common(members, combine, resamples, weighed)
    result = replace(
        common, metrics=found.values, ci=found.intervals.ci,
        ci_method=found.intervals.method, spread=found.spread, components=found.components,
    )  # fmt: skip
    result.notes += found.intervals.notes
    if save:
        arrays = kept_scores(scored.tries, scored.rows, len(scored.ids), scored.tries[0].shape[1])
        results.append(
            cache, result, ids=scored.ids, y=scored.y, groups=scored.groups,
            classes=scored.classes, **arrays,
        )  # fmt: skip
    return result


def refuse_unlike(members: Sequence[Result]) -> None:
    """Raise :class:`InputError` where two results are not of one split, one task and one level."""
    first = members[0]
    one = _identity(first)
    for r in members[1:]:
        two = _identity(r)
        if names := [n for n in one if one[n] != two[n]]:
            said = [f"{short(one[n]) or 'none'} and {short(two[n]) or 'none'}" for n in names[:2]]
            raise InputError(
                f"{called(first)} and {called(r)} differ in {', '.join(names[:2])} "
                f"({'; '.join(said)}): scores are averaged of the same test items under the same "
                "protocol alone"
            )


def _identity(r: Result) -> dict[str, str]:
    kept = {k: v for k, v in identity(r).items() if k not in MAY_DIFFER}
    shots = {"shots": f"{r.shots} shots" if r.shots else ""}
    return {"task": kept["task"], "protocol": kept["protocol"], **shots, **kept}


def _averaged(
    several: Sequence[ItemScores], members: Sequence[Result], combine: str, weighed: Weights
) -> ItemScores:
    first = several[0]
    values = first.task == "regression"
    for scored, r in zip(several, members):
        if not values and not all(_probabilities(first.task, p) for p in scored.tries):
            raise InputError(
                f"{called(r)}: its scores are no probabilities, so a mean with others would weigh "
                "them by their scale; calibrate it, as 'linear --calibrate' does"
            )
    tries = [
        combined(first.task, np.stack(each).astype(np.float64), combine, weighed.of(t))
        for t, each in enumerate(zip(*(s.tries for s in several)))
    ]
    return replace(first, tries=tries, cuts=())


def _probabilities(task: str, p: np.ndarray) -> bool:
    inside = bool((p >= -1e-6).all() and (p <= 1 + 1e-6).all())
    return inside and (task == "multilabel" or bool(np.allclose(p.sum(1), 1, atol=1e-3)))


def _in_common(members: Sequence[Result], combine: str, resamples: int, weighed: Weights) -> Result:
    """All of the Result that is no number: what members have in common, and what they are."""
    first = members[0]
    settings = {
        k: v for k, v in first.settings.items()
        if k not in ("threshold", "resamples", "usual", "label")
        and all(r.settings.get(k) == v for r in members)
    }  # fmt: skip
    settings["seed"] = first.settings.get("seed", 0)
    views = [v for r in members for v in r.settings.get("views", ())]
    settings |= {"views": list(dict.fromkeys(views))} if views else {}
    of = [called(r).removeprefix(f"{r.dataset} / ") for r in members]
    joint, parts = _key(members)
    fixed = {} if weighed.by == EQUAL else {"weights": weighed.recorded, "weighted": weighed.by}
    asked = [ENSEMBLE, combine, sorted(r.request or r.id for r in members), resamples]
    made = [ENSEMBLE, combine, sorted(r.id for r in members), resamples]
    if weighed.by == ON_VAL:
        asked, made = [*asked, ON_VAL], [*made, ON_VAL]
    elif weighed.by == GIVEN:  # each number with its member, in whichever order these are named
        numbers = weighed.of(0).tolist()
        asked += [sorted((r.request or r.id, w) for r, w in zip(members, numbers))]
        made += [sorted((r.id, w) for r, w in zip(members, numbers))]
    return replace(
        first,
        dataset=_joined(r.dataset for r in members),
        backbone=_joined(r.backbone for r in members),
        probe=ENSEMBLE,
        view=_joined(r.view for r in members),
        pool=_joined(r.pool for r in members),
        params={
            "combine": combine, "of": of, "probes": [probe_name(r) for r in members],
            "cells": sorted(r.cell for r in members), **fixed,
        },
        settings=settings | {"resamples": resamples},
        sizes={k: v for k, v in first.sizes.items() if k != "fit"},
        key=joint.digest,
        random=all(r.random for r in members),
        overlap="; ".join(dict.fromkeys(r.overlap for r in members if r.overlap)),
        searched=["weights"] if weighed.by == ON_VAL else [],
        val={"mse" if first.task == "regression" else "log_loss": weighed.loss}
        if weighed.by == ON_VAL else {},
        thresholds={}, subgroups={}, cost={}, ceiling={}, seeds={},
        in_domain="", gap={}, gap_ci={},
        notes=[
            f"mean of the {combine} of {len(members)} results, {_said(weighed, of)}",
            *_no_thresholds(members),
        ],
        left_out=max(r.left_out for r in members),
        seconds=round(sum(r.seconds for r in members), 3),
        request=digest(asked),
        versions=versions_of(results.PACKAGES),
        provenance={"key": joint.to_dict(), "members": parts},
        id=digest(made)[:16],
        time=max(r.time for r in members),
    )  # fmt: skip


def _said(weighed: Weights, of: Sequence[str]) -> str:
    """What a reader should know of the weights."""
    if weighed.by == EQUAL:
        return f"all of one weight: {', '.join(of)}"
    mean = weighed.each.mean(0)
    each = ", ".join(f"{w:.3g} {name}" for w, name in zip(mean, of))
    if weighed.by == GIVEN:
        return f"weighted as told: {each}"
    apart = "" if len(weighed.each) == 1 else f", on average over {len(weighed.each)} tries"
    return (
        f"weighted by {weighed.items} items of val{apart}: {each}; their loss there is "
        f"{weighed.loss:.4f}, of equal weights {weighed.equal:.4f}"
    )


def _no_thresholds(members: Sequence[Result]) -> list[str]:
    if not any(r.thresholds for r in members):
        return []
    return ["thresholds that val chose are of the members' own scores, and are not used here"]


def _key(members: Sequence[Result]) -> tuple[FeatureKey, dict[str, str]]:
    """The joint key of the features of all members; and id of each -> what it is called."""
    keys = {f"{r.backbone} {r.key[:12]}": r.provenance.get("key", {}) for r in members}
    made = {name: FeatureKey(**key) for name, key in keys.items() if key}
    return FeatureKey.joined(made), {r.id: called(r) for r in members}


def _joined(names: Any) -> str:
    """Each name once, those that are joint themselves by their parts."""
    return JOIN.join(dict.fromkeys(names))
