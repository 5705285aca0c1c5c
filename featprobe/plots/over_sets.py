"""Models over several data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.results import Result
from featprobe.figures import sets
from featprobe.figures.colours import FAINT, INK, PALETTE
from featprobe.leaderboard.across import across
from featprobe.metrics import measures as metrics
from featprobe.plots.decisions import draw_matrix
from featprobe.plots.style import COLUMN, axes, label, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def critical_difference(
    results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None,
    posthoc: str | None = None,
) -> Axes:  # fmt: skip
    """Critical-difference diagram (Demsar 2006): mean ranks over data sets on a line, 1 the best;
    bars join models that tests do not tell apart. ``posthoc``: ``nemenyi`` or ``wilcoxon``
    (:func:`~featprobe.figures.sets.ranks`).

    Raises :class:`InputError` for results of several protocols, and for those of fewer than two
    models or data sets; so do the following ones.
    """
    return draw_ranks(ranked(results, metric, posthoc), ax)


def mean_ranks(
    results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None
) -> Axes:
    """Mean ranks with 95 % intervals, by t over the data sets."""
    return draw_mean_ranks(ranked(results, metric), ax)


def draw_mean_ranks(found: sets.Ranks, ax: Axes | None) -> Axes:
    """As :func:`mean_ranks`."""
    with styled():
        k = len(found.table.models)
        ax = axes(ax, 0.6 + 0.15 * k)
        for i, (mean, low, high) in enumerate(
            zip(found.test.mean, found.test.low, found.test.high)
        ):
            ax.plot([low, high], [i, i], color=PALETTE[0], lw=1, solid_capstyle="butt")
            ax.plot([mean], [i], "o", color=PALETTE[0], ms=3.6)
        ax.set_yticks(range(k), [label(m) for m in found.table.models])
        ax.set_ylim(k - 0.5, -0.5)
        ax.set_xlim(1 - 0.03 * k, 1.03 * k)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", color="#dddddd", lw=0.5)
        ax.set_axisbelow(True)
        ax.set_xlabel("mean rank [95 %]")
    return ax


def win_matrix(
    results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None
) -> Axes:
    """On how many data sets the model of the row is better than that of the column."""
    return draw_wins(ranked(results, metric), ax)


def draw_wins(found: sets.Ranks, ax: Axes | None) -> Axes:
    """As :func:`win_matrix`."""
    names = [f"{i}  {label(m, 26)}" for i, m in enumerate(found.table.models, 1)]
    columns = [str(i) for i in range(1, len(names) + 1)]
    share = found.won / len(found.table.sets)
    return draw_matrix(found.won, share, names, columns, ax, "is worse", "is better", "g")


def boxes(results: Sequence[Result], ax: Axes | None = None, *, metric: str | None = None) -> Axes:
    """Box plots of each model's values over the data sets, by the median."""
    return draw_boxes(_only(across(results, metric)), ax)


def draw_boxes(table: sets.Across, ax: Axes | None) -> Axes:
    """As :func:`boxes`."""
    if table.common is None:
        raise InputError("data sets with different metrics have no common axis: name one by metric")
    found = sorted(sets.boxes(table), key=lambda b: b.median)
    if metrics.about(table.common).higher:
        found.reverse()
    with styled():
        ax = axes(ax, 0.6 + 0.17 * len(found))
        for i, b in enumerate(found):
            ax.plot([b.low, b.high], [i, i], color=INK, lw=0.7, zorder=2)
            ax.barh(i, b.q3 - b.q1, 0.6, b.q1, color="#cfe3f1", edgecolor=INK, lw=0.6, zorder=3)
            ax.plot([b.median] * 2, [i - 0.3, i + 0.3], color=PALETTE[1], lw=1.2, zorder=4)
            ax.plot(b.values, np.full(len(b.values), i), ".", color=INK, ms=2, alpha=0.6, zorder=5)
        ax.set_yticks(range(len(found)), [label(b.label) for b in found])
        ax.set_ylim(len(found) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.locator_params(axis="x", nbins=5)
        ax.set_xlabel(f"{metrics.about(table.common).label} over {len(table.sets)} data sets")
    return ax


def ranked(
    results: Sequence[Result], metric: str | None = None, posthoc: str | None = None
) -> sets.Ranks:
    """The ranks of the one protocol that results are of; errors as above."""
    return sets.ranks(_only(across(results, metric)), posthoc)


def draw_ranks(found: sets.Ranks, ax: Axes | None) -> Axes:
    """The diagram: left half of the models to the left, the others to the right."""
    k = len(found.table.models)
    mean = found.test.mean
    half = (k + 1) // 2
    bars = 0.16 * len(found.groups)
    with styled():
        ax = axes(ax, 0.75 + bars * 0.75 + 0.15 * half, 7.0 if k > 8 else COLUMN)
        ax.set_xlim(1, k)
        depth = 0.6 + bars * 4.4 + half
        ax.set_ylim(depth, -0.4)
        for i, m in enumerate(mean):
            left = i < half
            y = 0.9 + bars * 4.4 + (i if left else k - 1 - i)
            ax.plot([m, m, 1 if left else k], [-0.4, y, y], color=INK, lw=0.6, clip_on=False)
            text = f"{label(found.table.models[i], 30 if k > 8 else 22)}  {m:.2f}"
            ax.annotate(
                text if left else f"{m:.2f}  {label(found.table.models[i], 30 if k > 8 else 22)}",
                (1 if left else k, y), (-3 if left else 3, 0), textcoords="offset points",
                ha="right" if left else "left", va="center", fontsize=6.5, annotation_clip=False,
            )  # fmt: skip
        for g, (first, last) in enumerate(found.groups):
            y, pad = 0.45 + 0.6 * g, 0.02 * (k - 1)
            ends = [mean[first] - pad, mean[last] + pad]
            ax.plot(ends, [y, y], color=PALETTE[1], lw=2.2, solid_capstyle="butt", clip_on=False)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        ax.spines["top"].set_visible(True)
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        ax.locator_params(axis="x", nbins=min(k, 8), integer=True)
        ax.set_yticks([])
        ax.set_xlabel("mean rank", color=INK)
        ax.tick_params(color=FAINT)
    return ax


def _only(found: Sequence[sets.Across]) -> sets.Across:
    if not found:
        raise InputError("no protocol under which two models have results on two data sets")
    if len(found) > 1:
        text = "; ".join(t.protocol for t in found[:4])
        raise InputError(f"results of {len(found)} protocols ({text}): draw those of one at a time")
    return found[0]
