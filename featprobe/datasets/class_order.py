"""The order of names of classes: numbers as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def as_numbers(values: Iterable[str]) -> list[float] | None:
    """The values as numbers, NaN for "", or None where one is none. ``3,5`` is 3.5 where all are
    written so or without a fraction."""
    texts = list(values)
    if any(_DECIMAL_COMMA.fullmatch(t) for t in texts) and not any("." in t for t in texts):
        texts = [t.replace(",", ".") for t in texts]
    try:
        return [float(t) if t else np.nan for t in texts]
    except ValueError:
        return None


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Names of classes in order: numbers as numbers, ``grade 2`` before ``grade 10``, else text.

    Numbers inside of names count where the names are the same but for them.
    """
    unique = sorted(set(names))
    numbers = as_numbers(unique)
    if numbers is not None and not np.isnan(numbers).any():
        return tuple(n for _, n in sorted(zip(numbers, unique)))
    if len({re.sub(r"\d+", "#", n) for n in unique}) == 1:
        unique.sort(key=lambda n: ([int(d) for d in re.findall(r"\d+", n)], n))
    return tuple(unique)
