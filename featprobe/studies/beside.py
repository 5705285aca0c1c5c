"""Results beside published numbers, row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featprobe.core.jsonvalues import plain
from featprobe.evaluation.results import Result
from featprobe.evaluation.seed_means import over_seeds
from featprobe.leaderboard.cells import Cell
from featprobe.metrics import measures as metrics
from featprobe.studies.decoding import Decoding
from featprobe.studies.published import MEANS, Published

DECODED = ("pooled_dice", "pooled_jaccard")  # what a study's part of segmentation is shown with
RANDOM = "random weights, not the pretrained ones"
ROUNDING = 5e-4  # published numbers have three places


@dataclass(frozen=True)
class Row:
    """Ours beside theirs; ``ours`` is None where a cell did not run, with the reason in ``why``;
    ``theirs`` where nothing was published of a cell, with the ``table`` where something was."""

    data: str
    model: str
    probe: str
    protocol: str
    metric: str
    ours: float | None = None
    interval: tuple[float, float] | None = None
    theirs: float | None = None
    table: str = ""
    why: str = ""
    notes: tuple[str, ...] = ()
    exact: bool = True

    @property
    def difference(self) -> float | None:
        """Ours less theirs."""
        return None if self.ours is None or self.theirs is None else self.ours - self.theirs

    @property
    def agrees(self) -> bool | None:
        """Whether our interval holds the published number; None where one of them is missing, or
        the number is of another size of the data set or of weights, ours being random."""
        if not self.exact or self.interval is None or self.theirs is None:
            return None
        if math.isnan(self.interval[0]):
            return None
        return self.interval[0] - ROUNDING <= self.theirs <= self.interval[1] + ROUNDING

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {n: getattr(self, n) for n in self.__dataclass_fields__}
        found = values | {"difference": self.difference, "agrees": self.agrees}
        return dict(plain(found))


@dataclass
class Beside:
    """The rows of a study; ``apart``: seeds that could not be joined, in sentences."""

    rows: list[Row] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)


def beside(
    root: Path, made: Sequence[tuple[Cell, Sequence[Result]]], published: Sequence[Published],
    metric: str | None, lacking: Sequence[tuple[Cell, str]],
) -> Beside:  # fmt: skip
    """Rows of what cells have reached, then of published numbers whose cells did not run.

    Seeds are joined to their mean (:func:`~featprobe.evaluation.seed_means.over_seeds`).
    ``metric``: that of the study, None for the usual one of each task; published ones are shown
    besides. ``lacking``: cells without a result, and why. A published number of none of these cells
    is left out: nobody asked for it.
    """
    of = {r.id: cell for cell, results in made for r in results}
    joined, apart = over_seeds(root, [r for _, results in made for r in results])
    out = Beside(apart=apart)
    told: set[Published] = set()
    for r in joined:
        cell = of[next(iter(r.seeds.values())) if r.seeds else r.id]
        near = [p for p in published if p.is_of(cell, r.shots)]
        told.update(near)
        usual = metric or metrics.ranking(r.task)
        by = {p.metric: p for p in near}
        out.rows += [_row(cell, r, m, by.get(m)) for m in dict.fromkeys([usual, *by])]
    for p in published:
        why = next((w for cell, w in lacking if p.is_of(cell, p.shots)), "")
        if p not in told and why:
            out.rows.append(_lacking(p, why))
    return out


def _lacking(p: Published, why: str) -> Row:
    """The row of a published number beside which nothing ran."""
    return Row(
        p.data, p.model, p.probe, _shots(p.shots), p.metric, theirs=p.value, table=p.table, why=why
    )


def _shots(shots: int | None) -> str:
    return "" if shots is None else f"{shots} shots"


def _row(cell: Cell, r: Result, metric: str, near: Published | None) -> Row:
    value = r.metrics.get(metric, math.nan)
    told = [_shots(r.shots) or cell.protocol.name]
    told += [f"mean of {len(r.seeds)} seeds"] if r.seeds else []
    notes = [RANDOM] if r.random else []
    if not r.random and any(dict(m.options).get("weights") for m in cell.model.sources):
        notes.append("weights of a file that was given")
    exact = near is None or near.exact(cell)
    if near is not None and not exact:
        notes.append(f"published of {near.named}")
    if math.isnan(value):
        notes.append(f"{metric} is not defined here")
    backbone = cell.model.name if cell.model.parts else r.backbone  # joined ones with their views
    return Row(
        r.dataset, backbone, name_of(cell), ", ".join(filter(None, told)), metric,
        None if math.isnan(value) else value, r.ci.get(metric),
        near.value if near else None, near.table if near else "", notes=tuple(notes),
        exact=exact and not r.random,
    )  # fmt: skip


def decoded(
    d: Decoding, made: Sequence[Result], published: Sequence[Published], why: str = ""
) -> list[Row]:
    """Rows of what a decoding has reached, or of what was published of it, and ``why`` it did not
    run. A mean of metrics has no interval."""
    out = []
    for r in made:
        near = {p.metric: p for p in published if p.is_decoded(d, r.shots)}
        notes = (RANDOM,) if r.random else ()
        for m in dict.fromkeys((*DECODED, *near)):
            values = [r.metrics.get(n, math.nan) for n in MEANS.get(m, (m,))]
            value = sum(values) / len(values)
            theirs = near.get(m)
            out.append(Row(
                r.dataset, r.backbone, d.preset, _shots(r.shots), m,
                None if math.isnan(value) else value, r.ci.get(m),
                theirs.value if theirs else None, theirs.table if theirs else "", notes=notes,
                exact=not r.random,
            ))  # fmt: skip
    if not made:
        out += [_lacking(p, why) for p in published if p.is_decoded(d, p.shots)]
    return out


def name_of(cell: Cell) -> str:
    """What the study calls the probe or training of a cell: its preset, where it has one."""
    study = getattr(cell.work, "study", None)
    return str(study.name if study is not None else cell.work.name)
