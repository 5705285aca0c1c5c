"""Lines with bands over shots, shares of train, blocks, and steps of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.results import Result
from featprobe.figures import lines
from featprobe.figures.colours import FAINT
from featprobe.plots.style import axes, colour, label, legend, lines_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def few_shot(
    results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None
) -> Axes:
    """Learning curves: the mean over draws by number of shots, a line for each backbone and probe,
    with 95 % bands under new draws and patients.

    Raises :class:`InputError` where there is nothing to draw, or data sets or protocols that have
    no common axes; so do the following ones.
    """
    return draw(_only(lines.over_shots(results, metric), "few-shot results of two shots"), ax)


def data_fraction(
    results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None
) -> Axes:
    """The metric by the share of train (``--subset``), with bands under new patients."""
    return draw(_only(lines.over_fractions(results, metric), "results of two shares of train"), ax)


def by_block(
    results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None
) -> Axes:
    """The metric by how many last blocks the view joins, or by the single block that it is of
    (``cls@-3``), with bands under new patients."""
    panels = lines.over_blocks(results, metric) or lines.over_depth(results, metric)
    return draw(_only(panels, "results of views of two depths"), ax)


layers = by_block  # its name in earlier versions


def training_curves(results: Sequence[Result], ax: Axes | None = None, *, of: str = "loss") -> Axes:
    """``loss`` of training, or the metric on ``val``, by step of each fine-tuning."""
    panels = {("loss" if p.y == "loss" else "val"): p for p in lines.training(results)}
    if of not in panels:
        raise InputError(f"no {of} of a fine-tuning to draw: 'loss' or 'val' of results that have")
    return draw(panels[of], ax)


def draw(panel: lines.Panel, ax: Axes | None) -> Axes:
    """One panel, its legend below."""
    with styled():
        ax = axes(ax, 2.3 + lines_of(len(panel.lines)))
        for i, line in enumerate(panel.lines):
            hue, mark = colour(i)
            mark = mark if len(line.x) < 40 else ""
            ax.plot(line.x, line.y, color=hue, marker=mark, label=label(line.label, 44))
            if not np.isnan(line.low).all():
                ax.fill_between(line.x, line.low, line.high, color=hue, alpha=0.15, lw=0)
        if not math.isnan(panel.chance):
            ax.axhline(panel.chance, ls=":", color=FAINT, lw=0.8, zorder=1)
        if panel.log:
            _by_factors(ax, panel)
        ax.set_title(label(panel.title, 48))
        ax.set_xlabel(panel.x)
        ax.set_ylabel(panel.y)
        ax.locator_params(axis="y", nbins=6)
        legend(ax)
    return ax


def _by_factors(ax: Axes, panel: lines.Panel) -> None:
    """A logarithmic axis with a tick where there are points, as far as they are apart."""
    ax.set_xscale("log")
    ticks: list[float] = []
    every = np.unique(np.concatenate([line.x for line in panel.lines]))
    for x in every:
        if not ticks or math.log(x / ticks[-1]) > 0.09 * math.log(max(every) / min(every)):
            ticks.append(float(x))
    ax.set_xticks(ticks, [f"{100 * x:g} %" if panel.percent else f"{x:g}" for x in ticks])
    ax.set_xticks([], minor=True)


def _only(panels: Sequence[lines.Panel], what: str) -> lines.Panel:
    if not panels:
        raise InputError(f"no {what} of one backbone and probe to draw")
    if len(panels) > 1:
        few = ", ".join(label(p.title) for p in panels[:4]) + (", ..." if len(panels) > 4 else "")
        raise InputError(f"results of {len(panels)} panels ({few}): draw those of one at a time")
    return panels[0]
