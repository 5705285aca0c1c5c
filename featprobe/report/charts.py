"""The figures of the page, as SVG, from the same numbers as those of plots."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from featprobe.figures.colours import PALETTE
from featprobe.figures.intervals import Block
from featprobe.figures.lines import Line, Panel
from featprobe.figures.points import Cloud
from featprobe.figures.scores import Band, Calibration
from featprobe.figures.sets import Box, Ranks
from featprobe.metrics import measures as metrics
from featprobe.report.svg import (
    WIDTH,
    Axes,
    element,
    extent,
    label,
    picture,
    polygon,
    polyline,
    text_of,
)

ROW = 30.0  # pixels: a name above its interval
COLOURS = len(PALETTE)


def forest(block: Block, most: int = 20) -> str:
    """Values with intervals below each other, each under its name."""
    shown = block.values[:most]
    ends = np.array([[v.value, v.low, v.high] for v in shown] + [[block.chance] * 3])
    a = _rows(len(shown), extent(ends))
    about = metrics.about(block.metric)
    a.below(about.label + ("" if about.higher else " (less is better)"))
    if math.isfinite(block.chance):
        x = a.x(block.chance)
        a.parts.append(element("line", x1=x, x2=x, y1=a.box[1], y2=a.box[3], class_="chance"))
    for i, v in enumerate(shown):
        _interval(a, i, v.label, v.value, v.low, v.high, v.first)
    return picture(a.box[3] + 36, "".join(a.parts), f"{about.label} of {block.title}")


def ranks(found: Ranks, most: int = 24) -> str:
    """Mean ranks with intervals, numbered; bars at the right join what tests do not tell apart."""
    k = min(len(found.table.models), most)
    groups = [(a, min(b, k - 1)) for a, b in found.groups if a < k - 1]
    a = _rows(k, extent(found.test.low[:k], found.test.high[:k]), 10 + 9 * min(len(groups), 8))
    a.below("mean rank [95 %]")
    for i, name in enumerate(found.table.models[:k]):
        t = found.test
        _interval(a, i, f"{i + 1}  {name}", t.mean[i], t.low[i], t.high[i], True)
    for g, (first, last) in enumerate(groups[:8]):
        x = a.box[2] + 10 + 9 * g
        y = [a.box[1] + ROW * (i + 0.72) + d for i, d in ((first, -6), (last, 6))]
        a.parts.append(element("line", x1=x, x2=x, y1=y[0], y2=y[1], class_="join"))
    return picture(a.box[3] + 36, "".join(a.parts), "critical differences of mean ranks")


def boxes(found: Sequence[Box], name: str) -> str:
    """A box for each model, under its name."""
    a = _rows(len(found), extent(*(b.values for b in found)))
    a.below(name)
    for i, b in enumerate(found):
        y = a.box[1] + ROW * (i + 0.72)
        left, q1, median, q3, right = (a.x(v) for v in (b.low, b.q1, b.median, b.q3, b.high))
        a.parts.append(label(4, y - 9, b.label, 46, "t over"))
        a.parts.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="axis"))
        wide = max(q3 - q1, 1.0)
        a.parts.append(element("rect", x=q1, y=y - 5, width=wide, height=10, class_="box"))
        a.parts.append(element("line", x1=median, x2=median, y1=y - 6, y2=y + 6, class_="median"))
    return picture(a.box[3] + 36, "".join(a.parts), f"{name} by model")


def lines(panel: Panel, most: int = 12) -> str:
    """Lines with bands, their names below."""
    shown = panel.lines[:most]
    every = extent(*(v for title in shown for v in (title.y, title.low, title.high)))
    across = extent(*(title.x for title in shown))
    a = Axes((44, 30, WIDTH - 14, 210), across, every, panel.log)
    a.beside(panel.y)
    points = sorted({float(x) for title in shown for x in title.x})
    a.below(panel.x, points if panel.log and len(points) < 12 else None, panel.percent)
    if math.isfinite(panel.chance) and a.box[1] <= a.y(panel.chance) <= a.box[3]:
        y = a.y(panel.chance)
        a.parts.append(element("line", x1=a.box[0], x2=a.box[2], y1=y, y2=y, class_="chance"))
    for i, title in enumerate(shown):
        _curve(a, i, title)
    names = [title.label for title in shown]
    return _with_names(a, names, panel.title + ": " + panel.y + " by " + panel.x)


def bands(found: Sequence[tuple[str, Band]], x: str, y: str, diagonal: bool) -> str:
    """ROC or precision-recall curves."""
    a = _unit(x, y, diagonal)
    for i, (name, band) in enumerate(found):
        _curve(a, i, Line(name, *band), marks=False)
    return _with_names(a, [name for name, _ in found], f"{y} over {x}")


def reliability(found: Sequence[tuple[str, Calibration]]) -> str:
    """How often it is so over what scores say."""
    a = _unit("what scores say", "how often it is so", True)
    for i, (_, c) in enumerate(found):
        for x, low, high in zip(c.x, c.low, c.high):
            if math.isfinite(low):
                at = a.x(x)
                a.parts.append(
                    element("line", x1=at, x2=at, y1=a.y(low), y2=a.y(high), class_=f"thin s{i}")
                )
        a.parts.append(polyline([(a.x(x), a.y(y)) for x, y in zip(c.x, c.y)], f"line s{i}"))
        for x, y, w in zip(c.x, c.y, c.weight):
            size = 1.5 + 6 * math.sqrt(w)
            a.parts.append(element("circle", cx=a.x(x), cy=a.y(y), r=size, class_=f"dot s{i}"))
    return _with_names(a, [name for name, _ in found], "calibration")


def cloud(found: Cloud, log: bool, diagonal: bool = False) -> str:
    """Points with intervals, a colour for each group."""
    p = found.points
    xs = extent(np.array([v.x for v in p]), np.array([v.x_ends for v in p]))
    ys = extent(np.array([v.y for v in p]), np.array([v.y_ends for v in p]))
    if diagonal:
        xs = ys = (min(xs[0], ys[0]), max(xs[1], ys[1]))
    a = Axes((44, 30, WIDTH - 14, 236), xs, ys, log)
    a.beside(found.y)
    a.below(found.x)
    if diagonal:
        ends = [(a.x(v), a.y(v)) for v in xs]
        a.parts.append(polyline(ends, "chance"))
    groups = list(dict.fromkeys(v.group for v in p))
    for v in p:
        x, y, i = a.x(v.x), a.y(v.y), groups.index(v.group) % COLOURS
        if math.isfinite(v.y_ends[0]):
            y1, y2 = map(a.y, v.y_ends)
            a.parts.append(element("line", x1=x, x2=x, y1=y1, y2=y2, class_=f"thin s{i}"))
        if math.isfinite(v.x_ends[0]):
            x1, x2 = map(a.x, v.x_ends)
            a.parts.append(element("line", x1=x1, x2=x2, y1=y, y2=y, class_=f"thin s{i}"))
        title = element("title", text_of(f"{v.label}: {v.x:.4g}, {v.y:.3f}"))
        a.parts.append(element("circle", title, cx=x, cy=y, r=4, class_=f"dot s{i}"))
    return _with_names(a, groups, f"{found.title}: {found.y} over {found.x}")


def matrix(
    numbers: np.ndarray, shade: np.ndarray, rows: Sequence[str], columns: Sequence[str],
    below: str, beside: str, form: str = ".4g", titles: Sequence[Sequence[str]] = (),
) -> str:  # fmt: skip
    """Numbers in cells that are the darker the nearer ``shade`` is to 1; NaN is empty. ``titles``:
    what is said of a cell behind its number, when it is pointed at."""
    k, n = numbers.shape
    left = 24 + 6.4 * min(max(map(len, rows), default=1), 16)
    wide = min(46.0, (WIDTH - left - 8) / n)
    high = min(wide, 30.0)
    parts = [label(4, 14, beside), label(left + wide * n / 2, 52 + high * k, below, class_="t mid")]
    for j, name in enumerate(columns):
        fit = max(1, int(wide / CHAR))
        parts.append(label(left + wide * (j + 0.5), 38 + high * k, name, fit, "t mid"))
    for i, name in enumerate(rows):
        y = 22 + high * i
        parts.append(label(left - 6, y + high / 2 + 4, name, 16, "t end"))
        for j in range(n):
            if math.isnan(numbers[i, j]):
                continue
            x, level = left + wide * j, round(9 * float(np.clip(shade[i, j], 0, 1)))
            title = f"{numbers[i, j]:{form}}"
            more = f", {titles[i][j]}" if titles else ""
            line = element("title", text_of(f"{name} / {columns[j]}: {title}{more}"))
            parts.append(
                element("rect", line, x=x, y=y, width=wide - 1, height=high - 1, class_=f"h{level}")
            )
            if CHAR * len(title) < wide and high > 11:
                kind = "t mid on" if level > 4 else "t mid"
                parts.append(label(x + wide / 2, y + high / 2 + 4, title, class_=kind))
    return picture(62 + high * k, "".join(parts), f"{beside} by {below}")


CHAR = 6.4


def _rows(count: int, across: tuple[float, float], right: float = 0.0) -> Axes:
    return Axes((8, 4, WIDTH - 10 - right, 4 + ROW * count + 4), across)


def _interval(
    a: Axes, i: int, name: str, value: float, low: float, high: float, first: bool
) -> None:
    """A row: the name, and the interval below it."""
    y = a.box[1] + ROW * (i + 0.72)
    a.parts.append(label(4, y - 9, name, 46, "t over"))
    if math.isnan(value):
        return
    if math.isfinite(low):
        x1, x2 = a.x(low), a.x(high)
        a.parts.append(element("line", x1=x1, x2=x2, y1=y, y2=y, class_="line s0"))
    ends = f" [{low:.3f}, {high:.3f}]" if math.isfinite(low) else ""
    title = element("title", text_of(f"{name}: {value:.3f}{ends}"))
    kind = "dot s0" if first else "ring s0"
    a.parts.append(element("circle", title, cx=a.x(value), cy=y, r=4, class_=kind))


def _unit(x: str, y: str, diagonal: bool) -> Axes:
    a = Axes((44, 30, WIDTH - 40, 286), (0.0, 1.0))
    a.beside(y)
    a.below(x)
    if diagonal:
        a.parts.append(polyline([(a.x(v), a.y(v)) for v in (0.0, 1.0)], "chance"))
    return a


def _curve(a: Axes, i: int, line: Line, marks: bool = True) -> None:
    hue = f"s{i % COLOURS}" + (" dash" if i >= COLOURS else "")
    there = np.isfinite(line.low) & np.isfinite(line.high)
    if there.sum() > 1:
        x, low, high = line.x[there], line.low[there], line.high[there]
        way = [*zip(x, low), *zip(x[::-1], high[::-1])]
        a.parts.append(polygon([(a.x(u), a.y(v)) for u, v in way], f"band {hue}"))
    drawn = [(a.x(u), a.y(v)) for u, v in zip(line.x, line.y) if np.isfinite(v)]
    if not drawn:
        return
    a.parts.append(polyline(drawn, f"line {hue}"))
    if marks and len(drawn) < 40:
        for (x, y), u, v in zip(drawn, line.x, line.y):
            title = element("title", text_of(f"{line.label}, {u:g}: {v:.3f}"))
            a.parts.append(element("circle", title, cx=x, cy=y, r=3.2, class_=f"dot {hue}"))


def _with_names(a: Axes, names: Sequence[str], title: str) -> str:
    """The figure with its legend below."""
    top = a.box[3] + 46
    for i, name in enumerate(names):
        y, hue = top + 16 * i, f"s{i % COLOURS}" + (" dash" if i >= COLOURS else "")
        a.parts.append(element("line", x1=8, x2=26, y1=y - 4, y2=y - 4, class_=f"line {hue}"))
        a.parts.append(label(32, y, name, 48))
    return picture(top + 16 * len(names) - 4, "".join(a.parts), title)
