"""A probe under a protocol on a feature set: Results."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featprobe import metrics, results, settings, stats
from featprobe.errors import InputError
from featprobe.features import FeatureSet, unlabeled
from featprobe.probes.base import Probe
from featprobe.probes.logistic import best_candidate
from featprobe.protocols import FewShot, Full, Split, make_split, parse
from featprobe.registry import Registry
from featprobe.results import Result

PROBES = Registry(
    "probe",
    "featprobe.probes",
    "PROBE",
    names={"knn": "knn", "logistic": "logistic", "prototype": "prototype"},
)


def make_probe(probe: str | Probe, **params: Any) -> Probe:
    """A probe by name or as it is; unknown names and parameters are errors."""
    made = PROBES.get(probe)() if isinstance(probe, str) else probe
    return made.set_params(**params) if params else made


# What differs between the results of one run, and the test scores (N, C) of each try.
Cell = tuple[dict[str, Any], list[np.ndarray]]


@dataclass
class _Data:
    """The labelled rows of a feature set under a split."""

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    ids: np.ndarray
    task: str
    classes: int
    split: Split
    unknown: int


def evaluate(
    features: FeatureSet,
    probe: str | Probe,
    protocol: str | Full | FewShot = "full",
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
    middle one of others).

    ``view``, ``pool``: see :meth:`~featprobe.features.FeatureSet.x`. ``seed``: of split and draws,
    over the protocol's own. ``save`` appends the results to the cache.

    Raises :class:`InputError` when the features cannot be probed: no labels, one class, too few
    patients to split.
    """
    chosen = parse(protocol)
    if seed is not None:
        chosen = type(chosen)(**{**_fields(chosen), "seed": seed})
    made = make_probe(probe)
    data = _data(features, view, pool, chosen.seed)
    out = []
    start = time.perf_counter()
    if isinstance(chosen, Full):
        cells = _full(made, data, chosen)
    else:
        cells = _fewshot(made, data, chosen)
    for partial, scores in cells:
        result = _result(features, made, chosen, data, scores, view, pool, resamples, partial)
        result.seconds = round(time.perf_counter() - start, 3)
        start = time.perf_counter()
        if save:
            test = data.split.test
            results.append(
                settings.cache_root(cache), result,
                ids=data.ids[test], y=data.y[test], scores=np.stack(scores),
            )  # fmt: skip
        out.append(result)
    return out


def _fields(protocol: Full | FewShot) -> dict[str, Any]:
    return {k: getattr(protocol, k) for k in protocol.__dataclass_fields__ if k != "name"}


def _data(features: FeatureSet, view: str | None, pool: str, seed: int) -> _Data:
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
        split = make_split(
            y, groups, features.split[known], seed=seed,
            origin=features.items.split_origin, grouping=features.items.group_origin,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if y.ndim == 1:
        for part in ("train", "test"):
            present = np.unique(y[getattr(split, part)])
            if len(present) < 2:
                raise InputError(
                    f"{where}: {part} holds one class only "
                    f"({features.classes[present[0]] if len(present) else 'none'})"
                )
    x = features.x(view, pool)[known]
    return _Data(
        x, y, groups, ids, task, len(features.classes), split, int((~known).sum())
    )  # fmt: skip


def _codes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class codes 0 .. C-1 of what is present, and the classes they stand for."""
    if y.ndim == 2:
        return y, np.arange(y.shape[1])
    present, codes = np.unique(y, return_inverse=True)
    return codes, present


def _scores(probe: Probe, x: np.ndarray, present: np.ndarray, classes: int) -> np.ndarray:
    """(G, N, classes) scores, zero for classes that training did not have."""
    raw = probe.score_candidates(x)
    if raw.shape[2] == classes:
        return raw
    out = np.zeros((*raw.shape[:2], classes))
    out[:, :, present] = raw
    return out


def _full(probe: Probe, data: _Data, protocol: Full) -> list[Cell]:
    s = data.split
    candidates = probe.candidates()
    best = 0
    val: list[dict[str, float]] = [{} for _ in candidates]
    if len(candidates) > 1 or not protocol.refit:
        codes, present = _codes(data.y[s.train])
        probe.fit_candidates(data.x[s.train], codes)
        scored = _scores(probe, data.x[s.val], present, data.classes)
        best = best_candidate(scored, data.y[s.val])
        val = [_scalars(metrics.compute(data.task, data.y[s.val], p)) for p in scored]
    fit = np.r_[s.train, s.val] if protocol.refit else s.train
    shown = range(len(candidates)) if probe.report_all else [best]
    final = probe
    if not probe.report_all:
        final = type(probe)(**probe.get_params()).set_params(**candidates[best])
    codes, present = _codes(data.y[fit])
    final.fit_candidates(data.x[fit], codes)
    test = _scores(final, data.x[s.test], present, data.classes)
    out = []
    for position, g in enumerate(shown):
        partial = {
            "params": {**probe.get_params(), **candidates[g]},
            "selected": g == best,
            "val": val[g],
            "sizes": {"fit": len(fit)},
            "notes": _edge(probe, best, len(candidates)),
        }
        out.append((partial, [test[position]]))
    return out


def _edge(probe: Probe, best: int, candidates: int) -> list[str]:
    if probe.report_all or candidates < 3 or best not in (0, candidates - 1):
        return []
    return [f"the chosen candidate is the {'first' if best == 0 else 'last'} of the grid"]


def _fewshot(probe: Probe, data: _Data, protocol: FewShot) -> list[Cell]:
    s, out = data.split, []
    base = probe.candidates()
    single = {k: (1.0 if k == "Cs" else v) for k, v in base[len(base) // 2].items()}
    settled = single if len(base) > 1 else base[0]
    for shots in protocol.shots:
        tries, sizes, notes = [], [], []
        for attempt in range(protocol.tries):
            rows = protocol.draw(data.y, data.groups, s.train, shots, attempt)
            params = dict(settled)
            if "k" in params:  # as in DINOv2's few-shot kNN, k is at most the number of shots
                params["k"] = min(params["k"], shots)
            one = type(probe)(**probe.get_params()).set_params(**params)
            codes, present = _codes(data.y[rows])
            one.fit_candidates(data.x[rows], codes)
            tries.append(_scores(one, data.x[s.test], present, data.classes)[0])
            sizes.append(len(rows))
        if protocol.by == "sample" and data.y.ndim == 1:
            fewest = int(np.bincount(data.y[s.train], minlength=data.classes).min())
            if fewest < shots:
                notes.append(
                    f"a class has only {fewest} training items; all of them stand for {shots} shots"
                )
        partial = {
            "params": {**probe.get_params(), **params},
            "shots": shots,
            "sizes": {"fit": round(float(np.mean(sizes)))},
            "notes": notes,
        }
        out.append((partial, tries))
    return out


def _scalars(values: dict[str, np.ndarray]) -> dict[str, float]:
    return {k: float(v[0]) for k, v in values.items()}


def _result(
    features: FeatureSet, probe: Probe, protocol: Full | FewShot, data: _Data,
    scores: Sequence[np.ndarray], view: str | None, pool: str, resamples: int,
    partial: dict[str, Any],
) -> Result:  # fmt: skip
    test = data.split.test
    y, groups = data.y[test], data.groups[test]
    tries = [_scalars(metrics.compute(data.task, y, p)) for p in scores]
    values = {n: float(np.mean([t[n] for t in tries])) for n in tries[0]}
    boot = stats.bootstrap(
        data.task, y, scores, groups, resamples=resamples, seed=protocol.seed
    )  # fmt: skip
    notes = list(partial.get("notes", []))
    if data.unknown:
        notes.append(f"{data.unknown} items without a known label are not used")
    if data.split.crossing:
        notes.append(f"the official split has {data.split.crossing} patients on both sides")
    sizes = {**{n: len(getattr(data.split, n)) for n in ("train", "val", "test")}}
    sizes |= {"test_groups": len(np.unique(groups)), **partial["sizes"]}
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
        params=partial["params"],
        settings={**protocol.to_dict(), "resamples": resamples},
        split=data.split.to_dict(data.ids, data.groups),
        sizes=sizes,
        key=features.key.digest,
        labels=features.items.labels_digest,
        random=bool(provenance.get("random")),
        selected=partial.get("selected", True),
        searched=sorted(probe.candidates()[0]),
        shots=partial.get("shots"),
        spread={n: float(np.std([t[n] for t in tries])) for n in values} if len(tries) > 1 else {},
        val=partial.get("val", {}),
        left_out=len(features.left_out),
        notes=notes,
        versions=results.versions(),
        provenance={"key": features.key.to_dict(), **provenance},
    )
