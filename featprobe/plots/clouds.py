"""Frozen against trained, and quality against cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.evaluation.results import Result
from featprobe.figures import points
from featprobe.figures.colours import FAINT
from featprobe.plots.style import axes, colour, label, legend, lines_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def frozen_unfrozen(
    results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None
) -> Axes:
    """Each fine-tuning over the frozen probe of its backbone on the same test items; above the
    diagonal training has paid.

    Raises :class:`InputError` where no backbone has both, so does the following one.
    """
    clouds = points.pairs(results, metric)
    if not clouds:
        raise InputError("no backbone has both a fine-tuning and a frozen probe in one league")
    with styled():
        ax = draw(_only(clouds), ax)
        ends = [f(*ax.get_xlim(), *ax.get_ylim()) for f in (min, max)]
        ax.plot(ends, ends, ":", color=FAINT, lw=0.8, zorder=1)
        ax.set_xlim(*ends)
        ax.set_ylim(*ends)
        ax.set_aspect("equal")
    return ax


def cost_quality(
    results: Sequence[Result], ax: Axes | None = None, *, cost: str = "parameters",
    metric: str | None = None, cache: Path | None = None,
) -> Axes:  # fmt: skip
    """The metric over what it costs: ``parameters``, ``seconds`` of the fit, ``images_per_second``
    or the size of the ``store`` (the last two of frozen features from the ``cache``)."""
    if cost not in points.COSTS:
        known = ", ".join(points.COSTS)
        raise UnknownName(f"no cost {cost!r}.{nearest(cost, points.COSTS)} There are {known}")
    clouds = points.over_cost(results, points.costs(results, cache), cost, metric)
    if not clouds:
        raise InputError(f"no two results of one league with different {points.COSTS[cost]}")
    return draw_costs(_only(clouds), ax)


def draw_costs(cloud: points.Cloud, ax: Axes | None) -> Axes:
    """A cloud over a cost, which grows by factors."""
    ax = draw(cloud, ax)
    with styled():
        ax.set_xscale("log")
        ax.tick_params(axis="x", which="minor", labelbottom=False)
        low, high = np.log10(ax.get_xlim())
        if np.floor(high) - np.ceil(low) < 1:  # fewer than two powers of ten would be named
            from matplotlib.ticker import MaxNLocator, ScalarFormatter

            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.xaxis.set_major_formatter(ScalarFormatter())
    return ax


def draw(cloud: points.Cloud, ax: Axes | None) -> Axes:
    """Points with their intervals, a colour for each group."""
    groups = list(dict.fromkeys(p.group for p in cloud.points))
    with styled():
        ax = axes(ax, 2.6 + lines_of(len(groups)))
        for i, name in enumerate(groups):
            hue, mark = colour(i)
            of = [p for p in cloud.points if p.group == name]
            for p in of:
                if not math.isnan(p.y_ends[0]):
                    ax.plot([p.x, p.x], p.y_ends, color=hue, lw=0.6, alpha=0.6)
                if not math.isnan(p.x_ends[0]):
                    ax.plot(p.x_ends, [p.y, p.y], color=hue, lw=0.6, alpha=0.6)
            ax.plot([p.x for p in of], [p.y for p in of], mark, color=hue, label=label(name))
        ax.set_title(label(cloud.title, 48))
        ax.set_xlabel(cloud.x)
        ax.set_ylabel(cloud.y)
        ax.locator_params(nbins=6)
        legend(ax, 2 if len(groups) > 3 else 1)
    return ax


def _only(clouds: Sequence[points.Cloud]) -> points.Cloud:
    if len(clouds) > 1:
        few = ", ".join(dict.fromkeys(label(f"{c.title} {c.y}") for c in clouds[:4]))
        raise InputError(f"results of {len(clouds)} figures ({few}): draw those of one at a time")
    return clouds[0]
