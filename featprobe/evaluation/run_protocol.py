"""Runs protocols: fit, select, refit, score. Which rows each step may see is decided here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.fitted import (
    Data,
    FittedProbe,
    View,
    averaged,
    codes_of,
    complete,
    prepared,
)
from featprobe.evaluation.model_selection import choose, diverged, edge, on_val
from featprobe.evaluation.protocols import CrossVal, FewShot, Full, LeaveOneOut, Protocol
from featprobe.features.augmented import AugmentedRows
from featprobe.probes.base import Probe


@dataclass
class Cell:
    """Test scores (n, C) of each try, and how they were made; becomes one Result.

    ``rows``: for each try the test items its scores are of, as positions in the test part; None
    where every try scores all of them. ``chosen``: the candidate of ``view``. ``select``: by what
    val chose it, empty where there was nothing to choose. ``fits``: for each try the rows of the
    data that were fitted to, empty where nothing was, or not the same rows for all items.
    ``on_val``: for each try the rows of val and their scores (n, C), empty where val was not looked
    at; from them come its ``cuts``, the thresholds of decisions, empty without.
    """

    params: dict[str, Any]
    scores: list[np.ndarray]
    fitted: int
    view: View
    selected: bool = True
    shots: int | None = None
    val: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rows: list[np.ndarray] | None = None
    chosen: dict[str, Any] = field(default_factory=dict)
    select: dict[str, str | bool] = field(default_factory=dict)
    on_val: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    cuts: list[np.ndarray] = field(default_factory=list)
    fits: list[np.ndarray] = field(default_factory=list)


def run_protocol(probe: Probe, data: Data, protocol: Protocol) -> list[Cell]:
    """Run a probe under a protocol; returns its cells."""
    if isinstance(protocol, (Full, CrossVal)):
        refit = not isinstance(protocol, Full) or protocol.refit
        return [_inside(probe, data, refit)] if data.split.inner else _full(probe, data, refit)
    if len(data.views) > 1 and not (isinstance(protocol, FewShot) and protocol.choose):
        raise InputError(
            f"{len(data.views)} views are chosen among on val, which {protocol.name} does not look "
            "at: give one"
        )
    if isinstance(protocol, LeaveOneOut):
        return _leave_one_out(probe, data)
    return _fewshot(probe, data, protocol)


def _full(probe: Probe, data: Data, refit: bool) -> list[Cell]:
    s = data.split
    several = len(probe.candidates()) * len(data.views) > 1
    choice, notes = None, []
    if several or not refit:
        choice = choose(probe, data)
    elif data.decides:
        try:
            choice = choose(probe, data)
        except InputError as error:  # train alone is too small, with val it may be enough
            notes.append(f"no threshold of decisions is chosen on val: {error}")
    view = choice.view if choice else data.views[0]
    probe = choice.probe if choice else probe
    best = choice.index if choice else 0
    candidates = probe.candidates()
    fit = np.r_[s.train, s.val] if refit else s.train
    shown = range(len(candidates)) if probe.report_all else [best]
    final = FittedProbe(
        probe if probe.report_all else probe.fresh(**candidates[best]), data, view, fit
    )
    test = final.scores(s.test)
    notes += [*(edge(probe, best) if choice and choice.last else []), *final.probe.notes()]
    places = [0]
    if probe.report_all:
        refitted = final.probe.candidates()
        places = [refitted.index(c) for c in candidates]
    if choice:  # val could not score those that train is too small for
        notes += [n for n in probe.notes() if n not in notes]
        notes += diverged(probe, choice.scores)
    return [
        Cell(
            params={**probe.recorded(), **candidates[g]},
            scores=[test[place]],
            fitted=len(fit),
            view=view,
            selected=g == best,
            val=on_val(data, choice.scores[g]) if choice else {},
            notes=notes,
            chosen=candidates[g],
            select=data.criterion.to_dict() if several else {},
            on_val=[(s.val, choice.scores[g])] if choice else [],
            fits=[fit],
        )
        for place, g in zip(places, shown)
    ]


def _fewshot(probe: Probe, data: Data, protocol: FewShot) -> list[Cell]:
    if data.task == "regression":
        raise InputError("few-shot draws items of each class; regression targets have none")
    s, view = data.split, data.views[0]
    if protocol.choose:
        return [_shots_by_val(probe, data, protocol, shots) for shots in protocol.shots]
    x = data.in_training(view)
    prepare = data.prepare.fitted(AugmentedRows.first(x)[s.train])
    x = prepared(x, prepare)
    queries = [prepare(v[s.test]) for v in data.in_test(view)]
    codes, present = data.y, np.arange(data.classes)
    if data.y.ndim == 1:
        present = np.unique(data.y[s.train])
        codes = np.searchsorted(present, data.y)
    return [
        _shots(probe, data, protocol, shots, x, queries, codes, present) for shots in protocol.shots
    ]


def _shots(
    probe: Probe, data: Data, protocol: FewShot, shots: int, x: Any, queries: list[Any],
    codes: np.ndarray, present: np.ndarray,
) -> Cell:  # fmt: skip
    s, notes = data.split, []
    draw = protocol.draws(data.y, data.groups, s.train, data.ids)
    tries = [draw(shots, t) for t in range(protocol.tries)]
    params = _settled(probe, shots)
    one = probe.fresh(**params).within(min(len(rows) for rows in tries))
    with one.with_groups(data.groups):
        several = zip(*(one.score_tries(x, codes, tries, q) for q in queries))
        scores = [
            complete(averaged(raw), codes[rows], present, data.classes)
            for rows, raw in zip(tries, several)
        ]
    if protocol.by == "item" and data.y.ndim == 1:
        fewest = int(np.bincount(codes[s.train]).min())
        if fewest < shots:
            notes.append(
                f"a class has only {fewest} training items; all of them stand for {shots} shots"
            )
    if data.prepare.pca:
        notes.append("principal components are of all training items, their labels unused")
    return Cell(
        {**probe.recorded(), **params}, scores, round(float(np.mean([len(t) for t in tries]))),
        data.views[0], shots=shots, notes=[*notes, *one.notes()], fits=tries,
    )  # fmt: skip


def _shots_by_val(probe: Probe, data: Data, protocol: FewShot, shots: int) -> Cell:
    """Tries whose candidate and view val chooses; the whole of val, which no draw touches."""
    s = data.split
    draw = protocol.draws(data.y, data.groups, s.train, data.ids)
    inner = tuple(replace(s, train=draw(shots, t)) for t in range(protocol.tries))
    cell = _inside(probe, replace(data, split=replace(s, inner=inner)), refit=False)
    cell.notes.append(f"val ({len(s.val)} items) chose, which knows more than the shots")
    return replace(cell, shots=shots)


def _settled(probe: Probe, shots: int) -> dict[str, Any]:
    """The candidate that few shots are fitted with: C = 1, the middle one of others.

    As in DINOv2's few-shot kNN, k is at most the number of shots.
    """
    base = probe.candidates()
    chosen = dict(base[len(base) // 2])
    for name in chosen:
        if name.split("__")[-1] == "Cs" and len(base) > 1:
            chosen[name] = 1.0
        if name.split("__")[-1] == "k":
            chosen[name] = min(chosen[name], shots)
    return chosen


def _inside(probe: Probe, data: Data, refit: bool) -> Cell:
    """The inner splits, each with settings of its own: one Cell of as many tries."""
    scores, cells = [], []
    at = [np.searchsorted(data.split.test, s.test) for s in data.split.inner]
    rows = None if all(len(r) == len(data.split.test) for r in at) else at
    for inside in data.split.inner:
        every = _full(probe, replace(data, split=inside), refit)
        cell = next(c for c in every if c.selected)
        scores.append(cell.scores[0])
        cells.append(cell)
    searched = {k: [c.chosen[k] for c in cells] for k in cells[0].chosen}
    if len(data.views) > 1:
        searched["view"] = ["/".join(c.view) for c in cells]
    notes = list(dict.fromkeys(n for c in cells for n in c.notes if "of the grid" not in n))
    fitted = round(float(np.mean([c.fitted for c in cells])))
    params = {**probe.recorded(), **searched}
    return Cell(
        params, scores, fitted, cells[0].view, rows=rows, notes=notes, chosen=searched,
        select=cells[0].select, on_val=[part for c in cells for part in c.on_val],
        fits=[c.fits[0] for c in cells],
    )  # fmt: skip


def _leave_one_out(probe: Probe, data: Data) -> list[Cell]:
    """Every item is scored by those of other patients; every candidate is shown."""
    if not hasattr(probe, "leave_one_out"):
        raise InputError(
            f"leave-one-out is for knn, which need not be fitted anew, not {probe.name}"
        )
    if data.augmented:
        raise InputError("leave-one-out reads each item once: leave --augmented out")
    x = data.read(data.views[0])
    x = data.prepare.fitted(x)(x)
    codes, present = codes_of(data.y)
    largest = int(np.unique(data.groups, return_counts=True)[1].max())
    probe = probe.within(len(data.y) - largest)
    raw = probe.leave_one_out(x, codes, data.groups)
    scores = complete(raw, codes, present, data.columns)
    candidates, notes = probe.candidates(), probe.notes()
    if data.prepare.pca:
        notes.append("principal components are of all items, the one that is scored included")
    return [
        Cell(
            {**probe.recorded(), **c}, [p], len(data.y) - 1, data.views[0],
            selected=len(candidates) == 1, notes=notes, chosen=c,
        )
        for c, p in zip(candidates, scores)
    ]  # fmt: skip
