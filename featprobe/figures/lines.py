"""Lines over shots, shares of train, blocks and steps of a training."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.results import Result
from featprobe.features.view_names import one_block, view_part
from featprobe.leaderboard.across import competitor
from featprobe.leaderboard.leagues import identity
from featprobe.leaderboard.row_labels import Among
from featprobe.metrics import measures as metrics


@dataclass(frozen=True)
class Line:
    """Points from left to right; ``low``, ``high``: the ends of their 95 % intervals, NaN where
    there are none."""

    label: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Panel:
    """Lines on one pair of axes. ``chance``: what a constant predictor reaches, NaN if unknown;
    ``log``: x grows by factors; ``percent``: x are shares."""

    title: str
    x: str
    y: str
    lines: list[Line] = field(default_factory=list)
    chance: float = math.nan
    log: bool = False
    percent: bool = False


At = Callable[[Result], float | None]


def over_shots(results: Sequence[Result], metric: str | None = None) -> list[Panel]:
    """A panel for each data set and protocol with few-shot results: a line for each backbone and
    probe, a point for each number of shots."""

    def at(r: Result) -> float | None:
        return None if r.shots is None else float(r.shots)

    unit = "patients" if any(r.settings.get("by") == "patient" for r in results) else "items"
    what = f"training {unit} of each class"
    return _panels(results, metric, at, ("draws",), what, log=True)


def over_fractions(results: Sequence[Result], metric: str | None = None) -> list[Panel]:
    """As :func:`over_shots`, over the share of train; all of it is the last point.

    Parts that were asked for as a number of items are left out.
    """

    def at(r: Result) -> float | None:
        share = float(r.settings.get("subset", 1.0))
        return share if r.protocol == "full" and share <= 1 else None

    # parts of train have splits of their own, with the test items of the whole
    left = ("subset", "split")
    return _panels(results, metric, at, left, "share of train", log=True, percent=True)


def over_blocks(results: Sequence[Result], metric: str | None = None) -> list[Panel]:
    """As :func:`over_shots`, over how many last blocks a view joins (``cls``, ``cls:2``, ...)."""

    def at(r: Result) -> float | None:
        if one_block(r.view):
            return None
        try:
            return float(max(view_part(p, r.view)[1] for p in r.view.split("+")))
        except InputError:
            return None

    def name(r: Result, among: Among) -> str:
        return f"{competitor(r, among).replace(f' {r.view}', '')} {_plain(r.view)}"

    return _panels(results, metric, at, (), "last blocks in the view", name)


def over_depth(results: Sequence[Result], metric: str | None = None) -> list[Panel]:
    """As :func:`over_shots`, over the single block that a view is of (``cls@-3``, ``mean@6``),
    counted from the end: the last one is -1."""

    def at(r: Result) -> float | None:
        depth = r.provenance.get("outputs") or {}
        try:
            last = {
                view_part(p, r.view, depth.get(p.partition("@")[0]))[1]
                for p in r.view.split("+")
                if one_block(p)
            }
        except InputError:
            return None
        return (
            -float(last.pop()) if len(last) == 1 and r.view.count("@") == len(_parts(r)) else None
        )

    def name(r: Result, among: Among) -> str:
        return f"{competitor(r, among).replace(f' {r.view}', '')} {_plain(r.view)}"

    return _panels(results, metric, at, (), "block, counted from the end", name)


def _parts(r: Result) -> list[str]:
    return r.view.split("+")


def _plain(view: str) -> str:
    return "+".join(re.split("[:@]", p)[0] for p in view.split("+"))


def training(results: Sequence[Result]) -> list[Panel]:
    """Loss and val by step of each fine-tuning whose course was kept, a panel of both each kind."""
    loss: list[Line] = []
    val: list[Line] = []
    shown = {r.id: r for r in results if r.provenance.get("history")}.values()
    among = Among(shown)
    for r in shown:
        found = [e for e in r.provenance["history"] if isinstance(e, dict)]
        label = f"{r.dataset}: {competitor(r, among)}"
        for name, out in (("loss", loss), ("val", val)):
            points = [(e["step"], e[name]) for e in found if e.get(name) is not None]
            if points:
                x, y = np.array(points, dtype=float).T
                out.append(Line(label, x, y, *np.full((2, len(x)), np.nan)))
    by = {metrics.about(metrics.ranking(r.task)).label for r in shown}
    panels = [
        Panel("training loss", "step", "loss", loss),
        Panel("validation", "step", " or ".join(sorted(by)), val),
    ]
    return [p for p in panels if p.lines]


def _panels(
    results: Sequence[Result], metric: str | None, at: At, left: Sequence[str], x: str,
    name: Callable[[Result, Among], str] = competitor, *, log: bool = False,
    percent: bool = False,
) -> list[Panel]:  # fmt: skip
    """Panels by data set and all of the identity but ``left``; those of two x at least."""
    groups: dict[tuple[str, ...], list[tuple[float, Result]]] = {}
    for r in results:
        by = metric or metrics.ranking(r.task)
        where = at(r)
        if where is None or math.isnan(r.metrics.get(by, math.nan)):
            continue
        same = {k: v for k, v in identity(r).items() if k not in left}
        shots = "" if r.shots is None or "draws" in left else f"{r.shots} shots"
        groups.setdefault((r.dataset, *same.values(), shots), []).append((where, r))
    out = []
    for key, members in sorted(groups.items(), key=lambda kv: kv[0]):
        among = Among(r for _, r in members)
        by = metric or metrics.ranking(members[0][1].task)
        lines: dict[str, dict[float, Result]] = {}
        for where, r in members:
            lines.setdefault(name(r, among), {})[where] = r
        # one point is no curve
        drawn = [_line(label, at, by) for label, at in sorted(lines.items()) if len(at) > 1]
        if drawn:
            chance = float(np.mean([r.chance.get(by, math.nan) for _, r in members]))
            label = metrics.about(by).label
            out.append(Panel(_title(key, groups), x, label, drawn, chance, log, percent))
    return out


def _line(label: str, points: dict[float, Result], metric: str) -> Line:
    x = np.array(sorted(points))
    ends = np.array([points[v].ci.get(metric, (math.nan, math.nan)) for v in x], dtype=float)
    y = np.array([points[v].metrics[metric] for v in x])
    return Line(label, x, y, ends[:, 0], ends[:, 1])


def _title(key: tuple[str, ...], others: Iterable[tuple[str, ...]]) -> str:
    """The data set, with what tells its panel from others of it."""
    alike = [o for o in others if o[0] == key[0]]
    differ = [i for i in range(1, len(key)) if len({o[i] for o in alike}) > 1]
    more = ", ".join(filter(None, (key[i][:24] for i in differ)))
    return f"{key[0]} ({more})" if more else key[0]
