"""Curves, calibration and confusion from kept scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.results import Result, scored
from featprobe.figures import scores
from featprobe.figures.colours import FAINT
from featprobe.leaderboard.across import competitor
from featprobe.metrics import measures as metrics
from featprobe.plots.style import axes, colour, label, legend, lines_of, styled
from featprobe.stats.confusion import confusion

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def roc(
    results: Sequence[Result], ax: Axes | None = None, *, cache: Path, of: str | None = None,
    resamples: int = scores.RESAMPLES,
) -> Axes:  # fmt: skip
    """ROC curves with 95 % bands by patient, from the scores in the ``cache``; ``of`` one class, by
    default the mean of all (:func:`~featprobe.figures.scores.roc`).

    Raises :class:`InputError` where scores are gone, so do the following ones.
    """
    with styled():
        ax = axes(ax, 2.7 + lines_of(len(results)))
        for i, r in enumerate(results):
            _band(ax, i, scores.roc(scored(cache, r), of, resamples=resamples), r, results, "auroc")
        ax.plot([0, 1], [0, 1], ":", color=FAINT, lw=0.8, zorder=1)
        ax.set_xlabel("1 - specificity")
        ax.set_ylabel("sensitivity")
        return _square(ax)


def precision_recall(
    results: Sequence[Result], ax: Axes | None = None, *, cache: Path, of: str | None = None,
    resamples: int = scores.RESAMPLES,
) -> Axes:  # fmt: skip
    """Precision over recall with 95 % bands by patient, as :func:`roc`."""
    with styled():
        ax = axes(ax, 2.7 + lines_of(len(results)))
        for i, r in enumerate(results):
            band = scores.precision_recall(scored(cache, r), of, resamples=resamples)
            _band(ax, i, band, r, results, "ap")
        ax.set_xlabel("recall")
        ax.set_ylabel("precision")
        return _square(ax)


def calibration(
    results: Sequence[Result], ax: Axes | None = None, *, cache: Path,
    resamples: int = scores.RESAMPLES,
) -> Axes:  # fmt: skip
    """Reliability: how often it is so over what scores say, with 95 % by patient; marks as large as
    their share of the items (:func:`~featprobe.figures.scores.calibration`)."""
    with styled():
        ax = axes(ax, 2.7 + lines_of(len(results)))
        for i, r in enumerate(results):
            found = scores.calibration(scored(cache, r), resamples=resamples)
            hue, mark = colour(i)
            ends = np.abs(np.stack([found.y - found.low, found.high - found.y]))
            ax.errorbar(
                found.x, found.y, ends, color=hue, lw=0.9, elinewidth=0.6, capsize=0,
                label=_name(r, results, "ece"),
            )  # fmt: skip
            ax.scatter(found.x, found.y, 60 * np.sqrt(found.weight), color=hue, marker=mark, lw=0)
        ax.plot([0, 1], [0, 1], ":", color=FAINT, lw=0.8, zorder=1)
        ax.set_xlabel("what scores say")
        ax.set_ylabel("how often it is so")
        return _square(ax)


def confusion_matrix(
    result: Result | Sequence[Result], ax: Axes | None = None, *, cache: Path, of: str | None = None
) -> Axes:
    """Counts of true and decided classes, coloured by the share of the true class. ``of``: of a
    multi-label result the label."""
    from featprobe.plots.blocks import _one

    r = _one(result)
    items = scored(cache, r)
    found, names = confusion(items), items.classes
    if found.ndim == 3:
        if of not in names:
            raise InputError(f"name one of the labels by of: {', '.join(names)}")
        found, names = found[names.index(of)], ("absent", "present")
    k = len(found)
    names = names or tuple(map(str, range(k)))
    return draw_matrix(
        found, found / np.maximum(found.sum(1, keepdims=True), 1e-12), names, names, ax,
        "decided", "true",
    )  # fmt: skip


def draw_matrix(
    numbers: np.ndarray, shade: np.ndarray, rows: Sequence[str], columns: Sequence[str],
    ax: Axes | None, below: str, beside: str, form: str = ".4g",
) -> Axes:  # fmt: skip
    """Numbers in cells shaded from 0 to 1, as far as they fit; NaN is empty."""
    k, n = numbers.shape
    with styled():
        ax = axes(ax, max(1.5, 0.22 * k + 1.2))
        ax.imshow(np.nan_to_num(shade), cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
        if max(k, n) <= 12:
            for i in range(k):
                for j in range(n):
                    if not math.isnan(numbers[i, j]):
                        ink = "white" if shade[i, j] > 0.7 else "black"
                        text = f"{numbers[i, j]:{form}}"
                        ax.text(j, i, text, ha="center", va="center", color=ink, fontsize=6)
        size = 6.5 if max(k, n) <= 12 else 4.5
        step = 1 + (n - 1) // 24  # of more columns not all have room for their name
        long = max((len(c) for c in columns), default=0) * n > 44
        ax.set_xticks(range(0, n, step), [label(c, 22) for c in columns[::step]], fontsize=size)
        ax.set_yticks(range(k), [label(c, 28) for c in rows], fontsize=size)
        if long:
            ax.tick_params(axis="x", rotation=90)
        ax.tick_params(length=0)
        ax.set_xlabel(below)
        ax.set_ylabel(beside)
        for side in ax.spines.values():
            side.set_visible(False)
    return ax


def _band(
    ax: Axes, i: int, band: scores.Band, r: Result, results: Sequence[Result], metric: str
) -> None:
    hue = colour(i)[0]
    ax.plot(
        band.x, band.y, color=hue, ls=("-", "--", "-.")[i // 6 % 3], label=_name(r, results, metric)
    )
    if not np.isnan(band.low).all():
        ax.fill_between(band.x, band.low, band.high, color=hue, alpha=0.15, lw=0)


def _name(r: Result, results: Sequence[Result], metric: str) -> str:
    value = r.metrics.get(metric, math.nan)
    text = "" if math.isnan(value) else f", {metrics.about(metric).label} {value:.3f}"
    data = f"{r.dataset}: " if len({o.dataset for o in results}) > 1 else ""
    return label(data + competitor(r, results), 38) + text


def _square(ax: Axes) -> Axes:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_aspect("equal")
    legend(ax)
    return ax
