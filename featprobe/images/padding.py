"""Pixels that are no anatomy: they take no part in intensity rules and are black.

Padding is told by one value of an item: what lies at it or below is padding. Readers bring padding
that lies higher (white borders, MONOCHROME1) below all anatomy.
"""

from __future__ import annotations

import numpy as np

from featprobe.images.decoded_image import smallest

_BELOW_AIR = -1100  # HU: air is -1000, the lowest value of 12-bit CT -1024
_PLATEAU = 0.01  # of the pixels


def settle(
    pixels: np.ndarray, outside: np.ndarray | None, black: float | None = None
) -> tuple[np.ndarray, float | None]:
    """Pixels with padding below all anatomy, and its highest value; None where there is none.

    ``outside``: where padding is. ``black``: a value that is shown black (the file's window), which
    moved padding does not exceed. Values are kept where padding is below all anatomy already.
    Bytes stay bytes: their padding becomes 0.
    """
    if outside is None or not outside.any() or outside.all():
        return pixels, None
    lowest = pixels[~outside].min()
    highest = pixels[outside].max()
    if highest < max(lowest, _BELOW_AIR):  # what lossy compression left below padding is none
        return pixels, float(highest)
    if pixels.dtype == np.uint8:
        return np.where(outside, 0, pixels).astype(np.uint8), 0.0 if lowest > 0 else None
    below = np.floor(min(float(lowest), np.inf if black is None else black)) - 1
    wide = np.int64 if pixels.dtype.kind in "iu" else np.float64
    moved = np.where(outside, below, pixels.astype(wide))
    return smallest(moved) if wide is np.int64 else moved.astype(np.float32), float(below)


def guess(pixels: np.ndarray) -> tuple[float | None, tuple[str, ...]]:
    """Padding of a volume that names none: a plateau below air, which no Hounsfield value is.

    At least a hundredth of the pixels at the lowest value, that value under -1100, and few between
    it and -1100 (interpolation makes some). Returns the highest padding value, and a note.
    """
    if pixels.ndim == 4 or pixels.dtype.kind == "u" or pixels.min() >= _BELOW_AIR:
        return None, ()
    low = pixels.min()
    plateau = int((pixels == low).sum())
    under = pixels[pixels < _BELOW_AIR]
    if plateau < _PLATEAU * pixels.size or under.size > 1.5 * plateau:
        return None, ()
    share = under.size / pixels.size
    if share == 1:
        return None, ()
    return float(under.max()), (
        f"values from {low:g} below {_BELOW_AIR} ({share:.0%}) are taken for padding, not anatomy",
    )
