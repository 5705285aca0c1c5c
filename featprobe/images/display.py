"""How a file asks to be shown where that is no window: a sigmoid, or a table of grey values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Curve:
    """From pixel values to brightness, 0 black and 1 white.

    ``table``: brightness of the values from ``first`` on, the ends holding beyond (VOI LUT, PS3.3
    C.11.2.1.1). Without a table the sigmoid ``1 / (1 + exp(-4 (x - centre) / width))`` of PS3.3
    C.11.2.1.3.1. ``mirror``: values were turned upside down, ``x = mirror - value``, and so is
    their brightness.
    """

    centre: float = 0.0
    width: float = 1.0
    first: int = 0
    table: np.ndarray | None = None
    mirror: float | None = None

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Brightness float64, of the shape of the pixels."""
        x = pixels.astype(np.float64)
        if self.mirror is not None:
            x = self.mirror - x
        if self.table is not None:
            shown = self.table[
                np.clip(np.rint(x).astype(np.int64) - self.first, 0, len(self.table) - 1)
            ]
        else:
            shown = 1 / (1 + np.exp(np.clip(-4 * (x - self.centre) / self.width, -700, 700)))
        return shown if self.mirror is None else 1 - shown

    def mirrored(self, total: float) -> Curve:
        """The curve of values ``total - x``."""
        return replace(self, mirror=total)
