"""Colours and names of figures, wherever they are drawn."""

from __future__ import annotations

import unicodedata

# Okabe and Ito 2008, "Color universal design": told apart with any colour vision. Without yellow,
# which is too light on white, and black, which is the ink.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT = "#333333", "#999999"
# directions of writing would turn what stands around a name
_TURNING = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f"}


def clean(text: str) -> str:
    """A name in one line: breaks and control characters are blanks, marks of direction gone."""
    kept = (
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text if c not in _TURNING
    )  # fmt: skip
    return " ".join("".join(kept).split())


def shortened(text: str, most: int) -> str:
    """:func:`clean`, with the middle left out of what is longer than ``most``."""
    text = clean(text)
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head]}\u2026{text[len(text) - (most - 1 - head) :]}"
