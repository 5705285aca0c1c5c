"""Values with intervals, one below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featprobe.core.errors import InputError
from featprobe.evaluation.results import Result
from featprobe.figures.colours import FAINT, PALETTE
from featprobe.figures.intervals import Block, of_board, of_classes, of_subgroups
from featprobe.leaderboard.board import build
from featprobe.leaderboard.rank_ranges import RankRanges
from featprobe.metrics import measures as metrics
from featprobe.plots.style import axes, label, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def forest(
    results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None,
    cache: Path | None = None,
) -> Axes:  # fmt: skip
    """Forest plot: each result with its 95 % interval, by rank, leagues apart from each other.

    Filled marks: what may be the best of its league. With a ``cache``, where the scores are kept,
    by the tests of all pairs (:class:`~featprobe.leaderboard.rank_ranges.RankRanges`), else by
    value.
    """
    board = build(results, metric, where=cache, stand=RankRanges(cache) if cache else None)
    blocks = of_board(board)
    if len({b.metric for b in blocks}) > 1:
        raise InputError("results of different metrics have no common axis: name one by metric")
    return draw(blocks, ax, titles=True)


def per_class(result: Result, ax: Axes | None = None, *, metric: str | None = None) -> Axes:
    """A metric of each class or label (one against the rest), with items and patients in test.

    Raises :class:`InputError` where the result has none of single classes.
    """
    block = of_classes(_one(result), metric)
    if not block.values:
        raise InputError(f"{block.title}: no metric of single classes" + _of(metric))
    return draw([block], ax, titles=False)


def subgroups(result: Result, ax: Axes | None = None) -> Axes:
    """The ranking metric in each subgroup, with that of all test items.

    Raises :class:`InputError` for a result without: probe with ``--subgroup``.
    """
    block = of_subgroups(_one(result))
    if not block.values:
        raise InputError(f"{block.title}: no subgroups; probe with --subgroup FILE:COLUMN")
    return draw([block], ax, titles=False)


def draw(blocks: Sequence[Block], ax: Axes | None, *, titles: bool) -> Axes:
    """Blocks from top to bottom on one axis."""
    rows = sum(len(b.values) + titles for b in blocks)
    with styled():
        ax = axes(ax, 0.55 + 0.15 * rows)
        at, ticks, names = 0.0, [], []
        for block in blocks:
            if titles:
                ticks.append(at)
                names.append(label(block.title))
                at += 1
            top = at - 0.5
            for v in block.values:
                if not math.isnan(v.value):
                    _draw_one(ax, at, v.value, v.low, v.high, v.first)
                ticks.append(at)
                names.append(f"   {label(v.label)}" if titles else label(v.label))
                at += 1
            if not math.isnan(block.chance):
                ax.plot([block.chance] * 2, [top, at - 0.5], ":", color=FAINT, lw=0.8, zorder=1)
        ax.set_yticks(ticks, names)
        for text, name in zip(ax.get_yticklabels(), names):
            if titles and not name.startswith(" "):
                text.set_fontweight("bold")
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(at - 0.4, -0.6)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="x", color="#dddddd", lw=0.5)
        ax.set_axisbelow(True)
        ax.locator_params(axis="x", nbins=5)
        found = metrics.about(blocks[0].metric)
        ax.set_xlabel(found.label + ("" if found.higher else " (less is better)"))
    return ax


def _draw_one(ax: Axes, at: float, value: float, low: float, high: float, first: bool) -> None:
    if not math.isnan(low):
        ax.plot([low, high], [at, at], "-", color=PALETTE[0], lw=1.0, solid_capstyle="butt")
    face = PALETTE[0] if first else "white"
    ax.plot([value], [at], "o", color=PALETTE[0], mfc=face, ms=3.6, mew=1.0)


def _one(result: Result | Sequence[Result]) -> Result:
    """A result, or the one in a list."""
    if isinstance(result, Result):
        return result
    if len(result) != 1:
        raise InputError(f"this figure is of one result, not of {len(result)}")
    return result[0]


def _of(metric: str | None) -> str:
    return f" called {metric!r}" if metric else ""
