"""What all figures share: size, colours, labels, files."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featprobe.core.errors import InputError, MissingExtra, UnknownName, nearest, reason
from featprobe.figures.colours import INK, MARKS, PALETTE, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.3, 7.0  # inches: the width of a column and of a page of most journals
FORMATS = ("png", "svg", "pdf")
LONGEST = 36  # characters of a label; the middle of longer ones is left out
_RC = {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "text.parse_math": False,  # a name with two dollars is no formula
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # text stays text
    "savefig.dpi": 300,
    "svg.hashsalt": "featprobe",  # the same figure, the same file
}


def library(name: str = "matplotlib") -> Any:
    """matplotlib, or a module of it; :class:`~featprobe.core.errors.MissingExtra` without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra("figures need matplotlib: pip install 'featprobe[plots]'") from error


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of these figures, whatever the user's own is."""
    with library().rc_context(_RC):
        yield


def axes(ax: Axes | None, height: float, width: float = COLUMN) -> Axes:
    """The given axes, or those of a new figure of ``width`` x ``height`` inches, without pyplot:
    nothing is kept open, and no window appears."""
    if ax is not None:
        return ax
    library()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def figure_of(ax: Axes) -> Figure:
    """The figure that axes are in."""
    found = ax.get_figure(root=True)
    assert found is not None
    return found


def save(figure: Figure | Axes, path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF by the end of its name, without a date in it.

    Raises :class:`UnknownName` for another one and :class:`InputError` where it cannot be written.
    """
    path = Path(path)
    kind = check_name(path)
    from matplotlib.axes import Axes

    whole = figure_of(figure) if isinstance(figure, Axes) else figure
    meta = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with styled():
            whole.savefig(path, format=kind, metadata=meta)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    return path


def check_name(path: Path) -> str:
    """The format of a figure's file, before anything is made for it; raises as :func:`save`."""
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise UnknownName(
            f"{path}: figures are written as .png, .svg or .pdf.{nearest(kind, FORMATS)}"
        )
    library()
    return kind


def colour(i: int) -> tuple[str, str]:
    """Colour and marker of the i-th thing in a figure; the pairs of 42 things differ."""
    return PALETTE[i % len(PALETTE)], MARKS[i % len(MARKS)]


def label(text: str, most: int = LONGEST) -> str:
    """A name as it is drawn: in one line and at most as long."""
    return shortened(text, most)


def legend(ax: Axes, columns: int = 1, below: float = 4.6) -> None:
    """Below the axes and so many lines of their ticks and name, where it covers nothing; the layout
    of the figure makes room for it."""
    handles, labels = ax.get_legend_handles_labels()
    if len(handles) > 1:
        ax.legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=below,
            ncols=columns, frameon=False, handlelength=1.8, borderpad=0,
        )  # fmt: skip


def lines_of(legend_entries: int) -> float:
    """Inches that a legend of so many lines takes."""
    return 0.13 * legend_entries if legend_entries > 1 else 0.0
