"""How an item comes out: what could be taken for its class, and whether it shows a thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featprobe.images.decoded_image import DecodedImage
from featprobe.images.intensity import Levels, rule_of

_DARK, _BRIGHT = 0.1, 0.9


@dataclass(frozen=True)
class Appearance:
    """``facts``: the rule that made black and white, dtype, size, scanner of an item, as text.
    ``seen``: ``"black"`` or ``"white"`` where nothing lies between, else ""."""

    facts: dict[str, str]
    seen: str = ""


def appearance_of(image: DecodedImage, pixels: np.ndarray, levels: Levels, rule: str) -> Appearance:
    """The look of an item whose ``pixels`` are shown between ``levels``.

    Black: its brightest value is under a tenth of white; white: its darkest is over nine tenths.
    Constant items are neither.
    """
    low, high = float(np.min(levels[0])), float(np.max(levels[1]))
    ends = float(pixels.min()), float(pixels.max())
    seen = ""
    if high > low and ends[0] < ends[1]:
        dark, bright = ((e - low) / (high - low) for e in ends)
        seen = "black" if bright < _DARK else "white" if dark > _BRIGHT else ""
    height, width = pixels.shape[1:3]
    facts = {
        "black and white": rule_of(image, rule),
        "values": f"{image.pixels.dtype.name}{' colour' if image.pixels.ndim == 4 else ''}",
        "size": f"{height} x {width}",
        **{name: value for name, value in image.facts.items() if value},
    }
    return Appearance(facts, seen)
