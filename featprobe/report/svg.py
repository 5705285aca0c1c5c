"""A little SVG: escaped elements, and a pair of axes to draw on.

Colours, fonts and widths are classes of the page's style sheet, so that a figure follows the theme
of the page and its print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from featprobe.figures.colours import clean, shortened

WIDTH = 340.0  # of a figure, in CSS pixels: it fits a telephone, and stands beside others elsewhere
CHARACTER = 6.2  # of text of 11 pixels, on average


def text_of(value: object) -> str:
    """Escaped for elements and attributes alike, in one line."""
    return escape(clean(str(value)), quote=True)


def element(name: str, body: str = "", **attributes: object) -> str:
    """``<name a="1">body</name>``; numbers rounded to a tenth of a pixel, ``_`` is ``-`` and
    ``class_`` class. The body is markup."""
    text = "".join(
        f' {k.rstrip("_").replace("_", "-")}="{_value(v)}"' for k, v in attributes.items()
    )
    return f"<{name}{text}>{body}</{name}>" if body else f"<{name}{text}/>"


def _value(v: object) -> str:
    if isinstance(v, (float, np.floating)):
        return f"{float(v):.1f}".removesuffix(".0")
    return text_of(v)


def label(x: float, y: float, text: str, most: int = 60, class_: str = "t", **more: object) -> str:
    """A text of at most ``most`` characters; all of it when pointed at."""
    short = shortened(text, most)
    body = text_of(short)
    if short != clean(text):
        body += element("title", text_of(text))
    return element("text", body, x=x, y=y, class_=class_, **more)


def polyline(points: Sequence[tuple[float, float]], class_: str) -> str:
    """A line through points."""
    return element("path", d=_way(points), class_=class_)


def polygon(points: Sequence[tuple[float, float]], class_: str) -> str:
    """An area within points."""
    return element("path", d=_way(points) + "Z", class_=class_)


def _way(points: Sequence[tuple[float, float]]) -> str:
    text = (f"{x:.1f} {y:.1f}".replace(".0", "") for x, y in points)
    return "M" + "L".join(text)


def picture(height: float, body: str, title: str, width: float = WIDTH) -> str:
    """The ``<svg>`` itself; ``title`` is what a screen reader says."""
    return element(
        "svg", element("title", text_of(title)) + body, class_="chart", role="img",
        aria_label=title, viewBox=f"0 0 {width:g} {height:g}", width=width, height=height,
    )  # fmt: skip


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers within an interval, at most so many, steps of 1, 2 or 5 times ten."""
    span = high - low
    if not span > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * m for m in (1, 2, 5, 10, 20) if span / (power * m) <= most)
    first = math.ceil(low / step - 1e-9)
    return [k * step + 0.0 for k in range(first, math.floor(high / step + 1e-9) + 1)]


class Axes:
    """A plot area of ``box`` (left, top, right, bottom) pixels, over ``x`` and ``y`` (low, high).

    ``log``: x by factors, all positive. Elements are appended to ``parts``.
    """

    def __init__(
        self, box: tuple[float, float, float, float], x: tuple[float, float],
        y: tuple[float, float] = (0.0, 1.0), log: bool = False,
    ) -> None:  # fmt: skip
        self.box, self.log = box, log
        self._x, self._y = _widened(*x, log), _widened(*y, False)
        self.parts: list[str] = []

    def x(self, value: float) -> float:
        """Pixels from the left."""
        low, high = self._x
        at = (
            math.log(value / low) / math.log(high / low)
            if self.log
            else (value - low) / (high - low)
        )
        return self.box[0] + at * (self.box[2] - self.box[0])

    def y(self, value: float) -> float:
        """Pixels from the top."""
        low, high = self._y
        return self.box[3] - (value - low) / (high - low) * (self.box[3] - self.box[1])

    def below(self, name: str, at: Sequence[float] | None = None, percent: bool = False) -> None:
        """The horizontal axis: ticks, grid lines, its name."""
        left, top, right, bottom = self.box
        taken = -math.inf
        for value in self._ticks() if at is None else at:
            x = self.x(value)
            text = _text(100 * value if percent else value) + (" %" if percent else "")
            wide = CHARACTER * len(text)
            if x < left - 1 or x > right + 1 or x - wide / 2 < taken + 6:
                continue
            taken = x + wide / 2
            self.parts.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
            self.parts.append(label(x, bottom + 14, text, class_="t mid"))
        self.parts.append(element("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"))
        self.parts.append(label((left + right) / 2, bottom + 29, name, 46, "t mid"))

    def beside(self, name: str) -> None:
        """The vertical axis, its name above it."""
        left, top, right, _ = self.box
        for value in ticks(*self._y):
            y = self.y(value)
            self.parts.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
            self.parts.append(label(left - 5, y + 4, _text(value), class_="t end"))
        self.parts.append(label(4, top - 8, name, 40))

    def _ticks(self) -> list[float]:
        if not self.log:
            return ticks(*self._x)
        low, high = (math.log10(v) for v in self._x)
        steps = (1,) if high - low > 3 else (1, 2, 5)
        powers = range(math.floor(low), math.ceil(high) + 1)
        found = [m * 10.0**p for p in powers for m in steps if low <= math.log10(m) + p <= high]
        return found if len(found) > 1 else ticks(*self._x, most=4)  # within less than a factor


def _widened(low: float, high: float, log: bool) -> tuple[float, float]:
    """With a little room at both ends, and never empty."""
    if log:
        return (low / 1.06, high * 1.06) if high > low else (low / 2, high * 2)
    room = 0.03 * (high - low) if high > low else max(abs(high), 1.0) * 0.05
    return low - room, high + room


def _text(value: float) -> str:
    for least, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= least:
            return f"{value / {'G': 1e9, 'M': 1e6, 'k': 1e3}[unit]:g} {unit}"
    return f"{value:.6g}"


def extent(*values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest of what is finite; 0 and 1 where nothing is."""
    every = np.concatenate([np.ravel(v) for v in values]) if values else np.array([])
    every = every[np.isfinite(every)]
    return (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
