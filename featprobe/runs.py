"""Protocols carried out: fit, choose, refit, score. What leaks or not is decided here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from featprobe import metrics, splits
from featprobe.probes.base import Probe
from featprobe.protocols import CrossVal, FewShot, Full, Split
from featprobe.selection import best_candidate


@dataclass
class Data:
    """The labelled rows of a feature set under a split."""

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    ids: np.ndarray
    task: str
    classes: int
    split: Split
    unknown: int


@dataclass
class Cell:
    """What becomes one Result: the test scores (n, C) of each try, and how they came about.

    ``rows``: for each try the test items its scores are of, as positions in the test part; None
    where every try scores all of them.
    """

    params: dict[str, Any]
    scores: list[np.ndarray]
    fitted: int
    selected: bool = True
    shots: int | None = None
    val: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rows: list[np.ndarray] | None = None


def carry_out(probe: Probe, data: Data, protocol: Full | FewShot | CrossVal) -> list[Cell]:
    """The cells of a probe under a protocol."""
    if isinstance(protocol, FewShot):
        return _fewshot(probe, data, protocol)
    if isinstance(protocol, CrossVal):
        return [_crossval(probe, data, protocol)]
    return _full(probe, data, protocol.refit)


def _codes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class codes 0 .. C-1 of what is present, and the classes they stand for."""
    if y.ndim == 2:
        return y, np.arange(y.shape[1])
    present, codes = np.unique(y, return_inverse=True)
    return codes, present


def _scores(
    probe: Probe, x: np.ndarray, fitted: np.ndarray, present: np.ndarray, classes: int
) -> np.ndarray:
    """(G, N, classes) scores, zero for classes that training (``fitted``) did not have.

    A label of which training had one value only, or none, is scored 0.5 everywhere: what a solver
    makes of it is rounding, which would be ranked.
    """
    raw = probe.score_candidates(x)
    if fitted.ndim == 2:
        return np.where(_one_value(fitted), 0.5, raw)
    if raw.shape[2] == classes:
        return raw
    out = np.zeros((*raw.shape[:2], classes))
    out[:, :, present] = raw
    return out


def _one_value(y: np.ndarray) -> np.ndarray:
    """(C,) labels without both a known positive and a known negative."""
    return ~((y == 1).any(0) & (y == 0).any(0))


def _full(probe: Probe, data: Data, refit: bool) -> list[Cell]:
    s = data.split
    candidates = probe.candidates()
    best = 0
    val: list[dict[str, float]] = [{} for _ in candidates]
    if len(candidates) > 1 or not refit:
        codes, present = _codes(data.y[s.train])
        probe.fit_candidates(data.x[s.train], codes)
        scored = _scores(probe, data.x[s.val], codes, present, data.classes)
        best = best_candidate(scored, data.y[s.val])
        val = [scalars(metrics.compute(data.task, data.y[s.val], p)) for p in scored]
    fit = np.r_[s.train, s.val] if refit else s.train
    shown = range(len(candidates)) if probe.report_all else [best]
    final = probe
    if not probe.report_all:
        final = probe.fresh(**candidates[best])
    codes, present = _codes(data.y[fit])
    final.fit_candidates(data.x[fit], codes)
    test = _scores(final, data.x[s.test], codes, present, data.classes)
    out = []
    for position, g in enumerate(shown):
        out.append(
            Cell(
                params={**probe.get_params(), **candidates[g]},
                scores=[test[position]],
                fitted=len(fit),
                selected=g == best,
                val=val[g],
                notes=_edge(probe, best, len(candidates)),
            )
        )
    return out


def _edge(probe: Probe, best: int, candidates: int) -> list[str]:
    if probe.report_all or candidates < 3 or best not in (0, candidates - 1):
        return []
    return [f"the chosen candidate is the {'first' if best == 0 else 'last'} of the grid"]


def _fewshot(probe: Probe, data: Data, protocol: FewShot) -> list[Cell]:
    s, out = data.split, []
    base = probe.candidates()
    single = {k: (1.0 if k == "Cs" else v) for k, v in base[len(base) // 2].items()}
    settled = single if len(base) > 1 else base[0]
    for shots in protocol.shots:
        tries, sizes, notes, lone = [], [], [], 0
        for attempt in range(protocol.tries):
            rows = protocol.draw(data.y, data.groups, s.train, shots, attempt)
            params = dict(settled)
            if "k" in params:  # as in DINOv2's few-shot kNN, k is at most the number of shots
                params["k"] = min(params["k"], shots)
            one = probe.fresh(**params)
            codes, present = _codes(data.y[rows])
            one.fit_candidates(data.x[rows], codes)
            tries.append(_scores(one, data.x[s.test], codes, present, data.classes)[0])
            lone += int(codes.ndim == 2 and bool(_one_value(codes).any()))
            sizes.append(len(rows))
        if protocol.by == "sample" and data.y.ndim == 1:
            fewest = int(np.bincount(data.y[s.train], minlength=data.classes).min())
            if fewest < shots:
                notes.append(
                    f"a class has only {fewest} training items; all of them stand for {shots} shots"
                )
        if lone:
            notes.append(
                f"{shots} shots: in {lone} of {protocol.tries} tries a label has one value only, "
                "which is scored 0.5"
            )
        fitted = round(float(np.mean(sizes)))
        settings = {**probe.get_params(), **params}
        out.append(Cell(settings, tries, fitted, shots=shots, notes=notes))
    return out


def _crossval(probe: Probe, data: Data, protocol: CrossVal) -> Cell:
    """Each fold is test once, the next one val, the rest train."""
    part = splits.assign(
        data.y, data.groups, [1 / protocol.folds] * protocol.folds, [protocol.seed, 1]
    )
    scores, rows, chosen, fitted = [], [], [], []
    for fold in range(protocol.folds):
        val = (fold + 1) % protocol.folds
        inside = replace(
            data.split,
            train=np.flatnonzero((part != fold) & (part != val)),
            val=np.flatnonzero(part == val),
            test=np.flatnonzero(part == fold),
        )
        cells = _full(probe, replace(data, split=inside), refit=True)
        cell = next(c for c in cells if c.selected)
        scores.append(cell.scores[0])
        rows.append(inside.test)
        chosen.append({k: cell.params[k] for k in probe.candidates()[0]})
        fitted.append(cell.fitted)
    searched = {k: [c[k] for c in chosen] for k in probe.candidates()[0]}
    params = {**probe.get_params(), **searched}
    return Cell(params, scores, round(float(np.mean(fitted))), rows=rows)


def scalars(values: dict[str, np.ndarray]) -> dict[str, float]:
    """The single value of each metric."""
    return {k: float(v[0]) for k, v in values.items()}
