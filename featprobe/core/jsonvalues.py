"""Values as JSON has them, and numbers back from it."""

from __future__ import annotations

from typing import Any

import numpy as np


def numbers(value: Any) -> Any:
    """JSON values with null read as NaN and pairs as tuples."""
    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return tuple(numbers(v) for v in value)
    return float("nan") if value is None else value


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
