"""Values that users write, against the annotations of what takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from featprobe.errors import InputError, UnknownName, nearest

WORDS = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a name",
    NoneType: "null",
}  # fmt: skip
PLURAL = {int: "whole numbers", float: "numbers", str: "names"}


def checked(name: str, value: Any, kind: Any, owner: str) -> Any:
    """The value as an annotation has it: a float of a whole number, a tuple of a list or a name.

    ``name`` is of the option, ``owner`` what has it. Known are int, float, bool, str, None,
    ``Literal``, sequences of any length of one of these (a tuple of one name may be the name),
    mappings and unions; other annotations allow everything. Raises :class:`InputError`, or
    :class:`UnknownName` for a word that a ``Literal`` lacks.
    """
    try:
        return _fit(value, kind)
    except ValueError:
        pass
    if get_origin(kind) is Literal:
        words = [str(word) for word in get_args(kind)]
        raise UnknownName(
            f"{owner}: unknown {name} {value!r}.{nearest(str(value), words)} "
            f"Known: {', '.join(words)}"
        )
    raise InputError(f"{owner}: {name} must be {_in_words(kind)}, not {value!r}")


def _fit(value: Any, kind: Any) -> Any:
    parts = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        for part in parts:
            try:
                return _fit(value, part)
            except ValueError:
                continue
    elif get_origin(kind) is Literal:
        if value in parts:
            return value
    elif get_origin(kind) is tuple:
        values = [value] if isinstance(value, str) else value
        if isinstance(values, (list, tuple)):
            return tuple(_fit(v, parts[0]) for v in values)
    elif get_origin(kind) is Sequence:
        if isinstance(value, (list, tuple)) and value:
            return [_fit(v, parts[0]) for v in value]
    elif get_origin(kind) is Mapping:
        if isinstance(value, dict):
            return value
    elif kind is float:
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
    elif kind not in WORDS or type(value) is kind:
        return value
    raise ValueError


def _in_words(kind: Any) -> str:
    parts = get_args(kind)
    if get_origin(kind) is Mapping:
        return "a mapping"
    if get_origin(kind) in (tuple, Sequence):
        return f"a list of {PLURAL.get(parts[0]) or _in_words(parts[0])}"
    if get_origin(kind) is Literal:
        return ", ".join(map(str, parts))
    return " or ".join(map(_in_words, parts)) if parts else WORDS.get(kind, str(kind))
