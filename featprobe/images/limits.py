"""Sizes that a header may claim: checked before any memory is taken for them."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

from featprobe.core.errors import InputError, UnreadableItem
from featprobe.core.opening import raw

DEFAULT_PIXELS = 300_000_000
DEFLATE_RATIO = 1032  # the most that a deflate stream can expand


def max_pixels() -> int:
    """Pixels of one item, frames counted in: ``$FEATPROBE_MAX_PIXELS``, or 300 million."""
    text = os.environ.get("FEATPROBE_MAX_PIXELS") or str(DEFAULT_PIXELS)
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise InputError(f"FEATPROBE_MAX_PIXELS={text!r} must be a whole number of pixels above 0")
    return value


def check_pixels(path: Path, *shape: int) -> None:
    """Raise :class:`UnreadableItem` when an item of this shape (no channels) is over the limit."""
    if math.prod(shape) > max_pixels():
        raise UnreadableItem(
            f"{path}: {' x '.join(map(str, shape))} pixels is over the limit of {max_pixels()}; "
            "set FEATPROBE_MAX_PIXELS to allow it"
        )


def check_stored(path: Path, needed: int, deflated: bool = False) -> None:
    """Raise :class:`UnreadableItem` when a file is too small to hold the bytes it claims."""
    size = path.stat().st_size
    if needed > size * (DEFLATE_RATIO if deflated else 1):
        raise UnreadableItem(
            f"{path}: damaged or cut short: its header claims {needed} bytes of pixels, the file "
            f"has {size}"
        )


class Clamped(io.BufferedReader):
    """A file that takes no memory for bytes it does not have, whatever length a header claims."""

    def __init__(self, path: Path) -> None:
        super().__init__(raw(path))

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > 1 << 16:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)
