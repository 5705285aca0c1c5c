"""What every reader returns, and how a file becomes frames."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from featprobe.errors import InputError, UnreadableItem

PLANES = ("auto", "axial", "coronal", "sagittal")


@dataclass(frozen=True)
class Picture:
    """The decoded pixels of one item.

    ``pixels``: (F, H, W) grey or (F, H, W, 3) RGB, in the smallest dtype that holds the values
    (uint8, uint16, int16, int32, float32); always finite; bright is bright (MONOCHROME1 is
    inverted). ``window``: the (low, high) values the file asks to be shown as black and white, or
    None. ``affine``: (4, 4), maps (column, row, frame, 1) to RAS millimetres, or None where the
    file has no geometry. ``notes``: what a reader of the result should know, one line each.
    """

    pixels: np.ndarray
    window: tuple[float, float] | None = None
    affine: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        p = self.pixels
        if p.ndim not in (3, 4) or (p.ndim == 4 and p.shape[3] != 3) or 0 in p.shape:
            raise UnreadableItem(
                f"pixels of shape {p.shape} are neither (F, H, W) nor (F, H, W, 3)"
            )


@dataclass(frozen=True)
class FrameRecipe:
    """How the pixels of an item become the frames shown to a backbone; part of the FeatureKey.

    ``plane``: the cutting plane of volumes; ``auto`` is the plane of acquisition (across the axis
    whose spacing is at least 1.5 times the others'), axial where there is none.
    ``intensity``: the rule of :mod:`featprobe.images.intensity` that picks black and white.
    """

    plane: str = "auto"
    intensity: str = "auto"

    def __post_init__(self) -> None:
        from featprobe.images.intensity import parse

        if self.plane not in PLANES:
            raise InputError(f"unknown plane {self.plane!r}: choose one of {', '.join(PLANES)}")
        parse(self.intensity)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the inverse of ``FrameRecipe(**d)``."""
        return asdict(self)


def finite(array: np.ndarray, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Replace NaN and infinities by the lowest finite value, and say so.

    Returns the array (untouched where all is finite) and the notes. Raises
    :class:`UnreadableItem` when nothing is finite.
    """
    if array.dtype.kind != "f":
        return array, ()
    bad = ~np.isfinite(array)
    n = int(bad.sum())
    if not n:
        return array, ()
    if n == array.size:
        raise UnreadableItem(f"{what}: every value is NaN or infinite")
    low = array[~bad].min()
    return (
        np.where(bad, low, array),
        (f"{what}: {n} of {array.size} values are NaN or infinite, read as the lowest finite one",),
    )
