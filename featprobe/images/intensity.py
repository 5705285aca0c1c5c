"""Which pixel value is black and which is white.

Every rule comes down to a pair (low, high) for one item; the device then computes
``clip((x - low) / (high - low), 0, 1)``, and 0 everywhere for a constant item.

Rules, as text:

``auto``            uint8 and RGB: 0 to 255. A file with a display window (DICOM): that window.
                    Otherwise ``percentile=0.5,99.5`` of a volume, ``minmax`` of a single image.
``file``            the display window of the file; an item without one is unreadable.
``minmax``          lowest to highest value of the item.
``percentile=A,B``  those percentiles of the item's values.
``range=A,B``       fixed values, for example Hounsfield units ``range=-1024,600``.
``window=C,W``      the same by centre and width.
"""

from __future__ import annotations

import numpy as np

from featprobe.errors import InputError, UnreadableItem
from featprobe.images.picture import Picture

PLAIN = ("auto", "file", "minmax")
WITH_NUMBERS = ("percentile", "range", "window")


def parse(rule: str) -> tuple[str, tuple[float, float] | None]:
    """Split a rule into its name and numbers; :class:`InputError` for anything else."""
    name, _, rest = rule.partition("=")
    if name in PLAIN and not rest:
        return name, None
    if name in WITH_NUMBERS:
        try:
            a, b = (float(v) for v in rest.split(","))
        except ValueError:
            raise InputError(
                f"intensity rule {rule!r} needs two numbers, for example '{name}=5,95'"
            ) from None
        if name == "window":
            if b <= 0:
                raise InputError(f"intensity rule {rule!r}: the width must be positive")
            return "range", (a - b / 2, a + b / 2)
        if not a < b or (name == "percentile" and not (a >= 0 and b <= 100)):
            raise InputError(
                f"intensity rule {rule!r}: the numbers must rise, percentiles 0 to 100"
            )
        return name, (a, b)
    raise InputError(
        f"unknown intensity rule {rule!r}: use auto, file, minmax, percentile=A,B, range=A,B "
        "or window=CENTRE,WIDTH"
    )


def value_range(picture: Picture, rule: str = "auto") -> tuple[float, float]:
    """(low, high) of one item under a rule. Equal for a constant item, never NaN."""
    name, numbers = parse(rule)
    pixels = picture.pixels
    if name == "auto":
        if picture.window is not None:
            return picture.window
        if pixels.dtype == np.uint8 or pixels.ndim == 4:
            return 0.0, float(np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 255)
        name, numbers = ("percentile", (0.5, 99.5)) if len(pixels) > 1 else ("minmax", None)
    if name == "file":
        if picture.window is None:
            raise UnreadableItem("the file carries no display window; use another --intensity")
        return picture.window
    if name == "range":
        assert numbers is not None
        return numbers
    if name == "percentile":
        assert numbers is not None
        low, high = np.percentile(pixels, numbers)
        if low < high:
            return float(low), float(high)
    return float(pixels.min()), float(pixels.max())
