"""An embedding map as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.figures.colours import FAINT, MARKS, PALETTE
from featprobe.figures.embedding.columns import UNKNOWN, Column, of_texts
from featprobe.plots.style import axes, figure_of, label, legend, lines_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 12  # classes that the legend names; of more the largest, the others are pale
_RAMP = (PALETTE[0], "#8a8a8a", PALETTE[1])


def embedding_map(
    coords: np.ndarray, colour: Column | Sequence[object] | np.ndarray | None = None,
    ax: Axes | None = None, *, title: str = "",
) -> Axes:  # fmt: skip
    """Points (N, 2) in the plane, coloured by a value of each.

    ``colour``: a column of an
    :class:`~featprobe.figures.embedding.embedding_map.EmbeddingMap`, or N texts or numbers; None:
    one colour. Names of patients are drawn as numbers. Axes have no ticks: on t-SNE and UMAP
    neither their values nor distances between clusters mean anything.

    Raises :class:`InputError` where coordinates are not (N, 2) or there are not N values.
    """
    xy = np.asarray(coords, dtype=float)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise InputError(f"a map is drawn of coordinates (N, 2), not of {xy.shape}")
    column = _column(colour, len(xy))
    groups = _groups(column)
    size = float(np.clip(1500 / max(len(xy), 1), 0.4, 12))
    order = np.random.default_rng(0).permutation(len(xy))  # no class lies over the others
    with styled():
        ax = axes(ax, 3.3 + lines_of(-(-len(groups) // 2)))
        if column is not None and column.values is not None:
            _draw_numbers(ax, xy[order], column.values[order], size, column.name)
        elif column is not None and column.codes is not None:
            rank = {c: i for i, (c, _) in enumerate(groups)}
            place = np.array([rank.get(int(c), -1) for c in column.codes])[order]
            for i in [-1, *range(len(groups))]:
                of = xy[order][place == i]
                hue, mark = (FAINT, "o") if i < 0 else (PALETTE[i % 6], MARKS[i // 6 % len(MARKS)])
                name = _rest(column, len(groups)) if i < 0 else groups[i][1]
                if len(of):
                    ax.scatter(
                        of[:, 0], of[:, 1], s=size, c=hue, marker=mark, lw=0, label=label(name),
                        rasterized=len(xy) > 5000, zorder=1 if i < 0 else 2,
                    )  # fmt: skip
            legend(ax, 2, below=0.8)
            for handle in getattr(ax.get_legend(), "legend_handles", ()):
                handle.set_sizes([12])
        else:
            ax.scatter(xy[:, 0], xy[:, 1], s=size, c=PALETTE[0], lw=0, rasterized=len(xy) > 5000)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_xticks([])
        ax.set_yticks([])
        if title:
            ax.set_title(label(title, 48))
    return ax


def _column(colour: object, n: int) -> Column | None:
    if colour is None:
        return None
    if isinstance(colour, Column):
        column = colour
    else:
        values = np.asarray(colour)
        if values.dtype.kind == "f":
            column = Column("", values=values.astype(np.float32))
        else:
            column = of_texts("", ["" if v is None else str(v) for v in values.tolist()])
    given = column.values if column.values is not None else column.codes
    assert given is not None
    if len(given) != n:
        raise InputError(f"{n} points cannot be coloured by {len(given)} values")
    return column


def _groups(column: Column | None) -> list[tuple[int, str]]:
    """Codes that are drawn in colours of their own, and their names."""
    if column is None or column.codes is None:
        return []
    sizes = np.bincount(column.codes[column.codes >= 0], minlength=len(column.names))
    there = np.flatnonzero(sizes)
    if len(there) > NAMED:
        there = np.sort(there[np.argsort(-sizes[there], kind="stable")][:NAMED])
    name = column.name or "patient"
    return [
        (int(c), f"{name} {c + 1}" if column.identity else column.names[c]) for c in there
    ]  # fmt: skip


def _rest(column: Column, named: int) -> str:
    assert column.codes is not None
    others = len(np.unique(column.codes[column.codes >= 0])) - named
    return f"{others} others" if others > 0 else UNKNOWN


def _draw_numbers(ax: Axes, xy: np.ndarray, values: np.ndarray, size: float, name: str) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    known = np.isfinite(values)
    many = len(xy) > 5000
    ax.scatter(xy[~known, 0], xy[~known, 1], s=size, c=FAINT, lw=0, rasterized=many)
    ramp = LinearSegmentedColormap.from_list("map", _RAMP)
    drawn = ax.scatter(
        xy[known, 0], xy[known, 1], s=size, c=values[known], cmap=ramp, lw=0, rasterized=many
    )
    if known.any():
        figure_of(ax).colorbar(drawn, ax=ax, location="bottom", shrink=0.6, label=label(name))
