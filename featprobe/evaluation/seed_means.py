"""Results that differ in their seed alone, as one: the mean over seeds with its spread.

A seed is another fit (and where no test is official, another split), never another patient: seeds
become tries of one Result, whose interval is of :mod:`featprobe.stats.mean_over_tries`, under new
seeds and new patients together. Its scores stay those of the single results.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.jsonvalues import plain
from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.stats.resampling import RESAMPLES
from featprobe.stats.summary import summarize

_SEEDS = ("seed", "seeds")  # a fine-tuning to masks says its seed as decoders do, too


def over_seeds(cache: Path, found: Sequence[Result]) -> tuple[list[Result], list[str]]:
    """The means over seeds in the place of their first result, all others as they are; and what
    could not be joined, in sentences."""
    alike: dict[str, dict[int, Result]] = {}
    for r in found:
        alike.setdefault(_but_for_seed(r), {})[int(r.settings.get("seed") or 0)] = r
    out, notes = [], []
    for members in alike.values():
        several = [members[seed] for seed in sorted(members)]
        try:
            out += [_joined(cache, several)] if len(several) > 1 else several
        except InputError as error:
            first = several[0]
            notes.append(f"{first.dataset} / {first.backbone} / {first.probe}: {error}")
            out += several
    return out, notes


def _but_for_seed(r: Result) -> str:
    """The same for results of one cell that differ in their seed and what came of it."""
    if r.probe == "segment":  # its seeds are tries already
        return r.id
    settings = {k: v for k, v in r.settings.items() if k not in _SEEDS}
    params = {k: v for k, v in r.params.items() if k.split("__")[-1] != "seed"}
    same = replace(r, settings=settings, params=params)
    return digest([same.cell, r.labels, r.dataset, r.classes, len(r.seeds)])


def _joined(cache: Path, members: Sequence[Result]) -> Result:
    """One Result of several, in the order of their seeds.

    Raises :class:`InputError` where scores are gone.
    """
    first = members[0]
    seeds = {str(int(r.settings.get("seed") or 0)): r.id for r in members}
    made = replace(first, seeds=seeds, id=digest(sorted(seeds.values()))[:16])
    scored = results.scored(cache, made)
    found = summarize(
        scored, resamples=int(first.settings.get("resamples", RESAMPLES)),
        seed=int(next(iter(seeds))), draws=False, shared=_shared(first),
        seeds=1 if first.shots is None else len(scored.tries) // len(members),
    )  # fmt: skip
    params = {n: _one_or_all([r.params.get(n) for r in members]) for n in first.params}
    classes = sorted({n for r in members for n in r.thresholds})
    return replace(
        made,
        metrics=found.values,
        ci=found.intervals.ci,
        ci_method=found.intervals.method,
        spread=_deviations([r.metrics for r in members]),
        components=found.components,
        settings={k: v for k, v in first.settings.items() if k not in _SEEDS},
        params={n: v for n, v in params.items() if n.split("__")[-1] != "seed"},
        split=first.split | {"digest": _digest(members), "shared": _shared_where(scored, first)},
        sizes=first.sizes | {"test": len(scored.ids), "test_groups": scored.patients},
        val=_means([r.val for r in members]),
        cost=_means([r.cost for r in members]),
        thresholds={n: _flat([r.thresholds.get(n, []) for r in members]) for n in classes},
        subgroups={},
        seconds=round(sum(r.seconds for r in members), 3),
        notes=list(dict.fromkeys([*found.intervals.notes, *(n for r in members for n in r.notes)])),
        left_out=max(r.left_out for r in members),
        request="",
        time=max(r.time for r in members),
    )


def _shared(r: Result) -> float:
    """Test to training patients: what splits made anew have in common (Nadeau and Bengio 2003)."""
    if r.protocol == "cv":
        return 1 / max(1, int(r.settings.get("folds", 2)) - 1)
    of = r.split.get("groups", {})
    return float(of.get("test", 0)) / max(1, of.get("train", 0) + of.get("val", 0))


def _shared_where(scored: Any, r: Result) -> float:
    """As :func:`_shared` where splits differ, otherwise nothing."""
    return 0.0 if scored.rows is None else _shared(r)


def _digest(members: Sequence[Result]) -> str:
    """That of a split that is the same under every seed, else of all of them."""
    found = [str(r.split.get("digest")) for r in members]
    return found[0] if len(set(found)) == 1 else digest(found)[:16]


def _one_or_all(values: Sequence[Any]) -> Any:
    """The value that all have, otherwise the list of them."""
    told = {json.dumps(plain(v), sort_keys=True) for v in values}
    return values[0] if len(told) == 1 else list(values)


def _means(of: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each number that all have."""
    names = [n for n in of[0] if all(n in d for d in of)]
    return {n: float(np.mean([d[n] for d in of])) for n in names}


def _deviations(of: Sequence[dict[str, float]]) -> dict[str, float]:
    """The standard deviation over seeds of each metric that is not of one class."""
    return {n: float(np.std([d[n] for d in of if n in d], ddof=1)) for n in of[0] if ":" not in n}


def _flat(values: Sequence[float | list[float]]) -> list[float]:
    return [v for one in values for v in (one if isinstance(one, (list, tuple)) else [one])]
