"""Which class a value of a mask is: labels, 0 and 255, colours; as given, or as they occur."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.core.errors import InputError
from featprobe.images.grids import VOID
from featprobe.images.masks import COLOUR, UnknownValue

MOST = 64  # different colours, beyond which a picture is no mask
_COLOUR = re.compile(r"#([0-9a-fA-F]{6})$")


@dataclass(frozen=True)
class ClassTable:
    """``names`` by class index; ``values``: value of a mask -> class index (255: void)."""

    names: tuple[str, ...]
    values: Mapping[int, int]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Class indices (uint8) of the values of a mask.

        Raises :class:`UnknownValue` that names the values that are no class.
        """
        if self.by_colour:
            values = np.where(values < COLOUR, COLOUR + values.astype(np.int32) * 0x010101, values)
        known = np.array(sorted(self.values))
        found, place = np.unique(values, return_inverse=True)
        odd = found[~np.isin(found, known)]
        if len(odd):
            text = ", ".join(shown(int(v)) for v in odd[:5]) + (", ..." if len(odd) > 5 else "")
            is_none = "values {} are" if len(odd) > 1 else "value {} is"
            raise UnknownValue(f"{is_none.format(text)} none of the classes ({self})")
        codes = np.array([self.values[int(v)] for v in found], np.uint8)
        return codes[place].reshape(values.shape)

    @property
    def by_colour(self) -> bool:
        return any(v >= COLOUR for v in self.values)

    def __str__(self) -> str:
        named = [f"{shown(v)} {self.names[c]}" for v, c in self.values.items() if c != VOID]
        return ", ".join(named[:20]) + (", ..." if len(named) > 20 else "")


def shown(value: int) -> str:
    """A value of a mask as text: a number, or #rrggbb."""
    return f"#{value - COLOUR:06x}" if value >= COLOUR else str(value)


def read_classes(texts: Sequence[str]) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
    """Names and values of ``--mask-classes``: ``liver``, ``liver=2``, ``tumour=2,3``,
    ``tissue=#ff0000``.

    Without values they are 0, 1, ... in order. Raises :class:`InputError` for what is neither.
    """
    names, values = [], {}
    for text in texts:
        name, sign, value = text.rpartition("=") if "=" in text else (text, "", "")
        name = name.strip()
        if not name or (sign and not value):
            raise InputError(f"--mask-classes {text!r} is written NAME, NAME=1 or NAME=#ff0000")
        names.append(name)
        if sign:
            values[name] = tuple(_value(text, v.strip()) for v in value.split(","))
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise InputError(f"--mask-classes names {twice[0]!r} twice")
    if values and len(values) < len(names):
        lacking = next(n for n in names if n not in values)
        raise InputError(f"--mask-classes: give {lacking!r} a value too, or none of them")
    return tuple(names), values


def _value(text: str, value: str) -> int:
    if match := _COLOUR.match(value):
        return COLOUR + int(match[1], 16)
    if not value.isdecimal():
        raise InputError(f"--mask-classes {text!r}: {value!r} is no number and no colour #rrggbb")
    return int(value)


def class_table(
    seen: Collection[int], names: Sequence[str] = (), given: Mapping[str, tuple[int, ...]] = {}
) -> ClassTable:
    """The classes of the values that occur in the masks of a data set.

    ``given`` values stand as they are, 255 being void beside them. Names alone are the values 0, 1,
    ... in order. Of at most two classes the two values that occur are them, whatever they are (0
    and 255). Without names: 0 is background, 255 void where all others are 0 to K - 1 with K > 1
    and a class of its own otherwise; colours are numbered in their order, black first.
    """
    values = sorted(set(seen))
    if given:
        table = {v: k for k, n in enumerate(names) for v in given[n]}
        by_colour = any(v >= COLOUR for v in table)
        return ClassTable(tuple(names), ({} if by_colour else {VOID: VOID}) | table)
    if any(v >= COLOUR for v in values):
        return _of_colours(values, names)
    if len(names) <= 2 and len(set(values) | {0}) <= 2:
        other = next((v for v in values if v), 1)
        return ClassTable(tuple(names) or ("background", "foreground"), {0: 0, other: 1})
    if names:
        return ClassTable(tuple(names), {k: k for k in range(len(names))} | _void(len(names)))
    small = [v for v in values if v != VOID]
    void = VOID in values and len(small) > 1 and small == list(range(len(small)))
    classes = [0, *(v for v in (small if void else values) if v)]
    if len(classes) > VOID:
        raise InputError(
            f"the masks hold {len(classes)} values; at most {VOID} are classes: name them with "
            "--mask-classes NAME=VALUE ..."
        )
    table = {v: k for k, v in enumerate(classes)} | ({VOID: VOID} if void else {})
    return ClassTable(("background", *(str(v) for v in classes[1:])), table)


def _void(n: int) -> dict[int, int]:
    return {VOID: VOID} if n <= VOID else {}


def _of_colours(values: Sequence[int], names: Sequence[str]) -> ClassTable:
    colours = sorted({v if v >= COLOUR else COLOUR + v * 0x010101 for v in values} | {COLOUR})
    if len(colours) > MOST:
        raise InputError(
            f"the masks hold {len(colours)} colours, too many for classes; name those that are "
            "with --mask-classes NAME=#rrggbb ..."
        )
    if names and len(names) != len(colours):
        raise InputError(
            f"{len(names)} classes for masks of {len(colours)} colours "
            f"({', '.join(map(shown, colours))}); give each with --mask-classes NAME=#rrggbb"
        )
    named = tuple(names) or ("background", *(shown(v) for v in colours[1:]))
    return ClassTable(named, {v: k for k, v in enumerate(colours)})
