"""Predictions on their images: best, median and worst items; tokens seen as colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VOID = 255


def ranked(scores: Sequence[float], each: int = 2) -> list[int]:
    """The places of the best, median and worst ``each`` of scores, once each; NaN are left out."""
    values = np.asarray(scores, float)
    order = [int(i) for i in np.argsort(-values, kind="stable") if np.isfinite(values[i])]
    start = max(0, (len(order) - each) // 2)
    chosen = order[:each] + order[start : start + each] + order[max(0, len(order) - each) :]
    return list(dict.fromkeys(chosen))


def overlay(
    items: int, item: Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]],
    ids: Sequence[str], scores: Sequence[float], classes: Sequence[str], each: int = 2,
    multilabel: bool = False,
) -> Figure:  # fmt: skip
    """Best, median and worst items with the contours of truth and prediction, and Dice and id.

    ``item``: of a number below ``items`` image, truth and prediction, each frames (F, H, W) (of a
    multi-label mask (K, F, H, W)); it is asked for those that are shown alone. The frame with the
    most foreground of truth and prediction is shown. ``scores``: Dice of each item, NaN for one
    without. Truth is drawn through, prediction dashed, a colour a class; void is not drawn.

    Raises :class:`InputError` where no item has a score.
    """
    shown = ranked(scores[:items], each)
    if not shown:
        raise InputError("no item has a score, so there is no best and no worst")
    from matplotlib.lines import Line2D

    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    names = list(enumerate(classes)) if multilabel else list(enumerate(classes))[1:]
    with style.styled():
        figure = _figure(rows, columns)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, place in zip(panels, shown):
            image, truth, prediction = item(place)
            frame = _frame(truth, prediction, multilabel)
            ax.imshow(_grey(image[frame]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            for k, _ in names:
                for values, dash in ((truth, "solid"), (prediction, "dashed")):
                    inside = values[k][frame] if multilabel else values[frame] == k
                    if inside.any() and not inside.all():
                        ax.contour(
                            inside.astype(float), [0.5], colors=[style.colour(k)[0]],
                            linewidths=0.9, linestyles=dash,
                        )  # fmt: skip
            ax.set_title(f"{style.label(str(ids[place]))}\nDice {scores[place]:.3f}")
        for ax in panels:
            ax.set_axis_off()
        handles = [Line2D([], [], color=style.colour(k)[0], label=style.label(n)) for k, n in names]
        handles.append(Line2D([], [], color="black", linestyle="solid", label="truth"))
        handles.append(Line2D([], [], color="black", linestyle="dashed", label="prediction"))
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _figure(rows: int, columns: int) -> Figure:
    style.library()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (style.PAGE * columns / 3, 0.5 + rows * (style.PAGE / 3 + 0.2))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _frame(truth: np.ndarray, prediction: np.ndarray, multilabel: bool) -> int:
    def area(values: np.ndarray) -> np.ndarray:
        inside = values.any(0) if multilabel else (values > 0) & (values != VOID)
        return np.asarray(inside.sum((1, 2)))

    return int(np.argmax(area(truth) + area(prediction)))


def _grey(image: np.ndarray) -> np.ndarray:
    """An image between its 1st and 99th percentile as 0 to 1; colours are averaged."""
    values = image.mean(-1) if image.ndim == 3 else image.astype(float)
    low, high = np.percentile(values, (1, 99))
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.asarray(np.clip(scaled, 0, 1))


def colours(
    pictures: Sequence[np.ndarray], components: Sequence[np.ndarray], titles: Sequence[str]
) -> Figure:
    """Images above the colours of their tokens: ``pictures`` (H, W), ``components`` (h, w, 3) or
    (h, w) in 0 to 1, NaN where there is background."""
    n = len(pictures)
    with style.styled():
        figure = _figure(2 * -(-n // 3), min(3, n))
        panels = figure.subplots(2 * -(-n // 3), min(3, n), squeeze=False)
        for ax in panels.ravel():
            ax.set_axis_off()
        for i, (picture, values, title) in enumerate(zip(pictures, components, titles)):
            row, column = 2 * (i // 3), i % 3
            above, below = panels[row, column], panels[row + 1, column]
            above.imshow(_grey(picture), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            above.set_title(style.label(title))
            extent = (0, picture.shape[1], picture.shape[0], 0)
            below.imshow(np.nan_to_num(values, nan=0), cmap="viridis", vmin=0, vmax=1,
                         interpolation="nearest", extent=extent)  # fmt: skip
    return figure
