"""Values as JSON has them, and numbers back from it."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import numpy as np


def numbers(value: Any) -> Any:
    """JSON values with null read as NaN and pairs as tuples."""
    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(numbers(v) for v in value)
    return float("nan") if value is None else value


def conforms(value: Any, kind: Any) -> bool:
    """Whether a value that was read is of an annotation, in all its parts.

    Known are Any, str, int, float (NaN too), bool, None, unions, ``dict[str, X]``, ``list[X]`` and
    ``tuple[X, Y]``; lists and tuples are alike.
    """
    of, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if of in (Union, UnionType):
        return any(conforms(value, part) for part in parts)
    if of is dict:
        return isinstance(value, dict) and all(conforms(v, parts[1]) for v in value.values())
    if of in (list, tuple):
        if not isinstance(value, (list, tuple)) or (of is tuple and len(value) != len(parts)):
            return False
        kinds = parts * len(value) if of is list else parts
        return all(conforms(v, k) for v, k in zip(value, kinds))
    if kind is float:
        return type(value) in (int, float)
    return value is None if kind is NoneType else type(value) is kind


def plain(value: Any) -> Any:
    """JSON values only: arrays as lists, NaN and infinities as null, other things as their repr."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, int, float)) else repr(value)
