"""Grids of regularisation strengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.core.errors import InputError


def positive(values: Sequence[float] | np.ndarray, name: str) -> np.ndarray:
    """The grid (G,) in float64; :class:`InputError` where a value is not positive and finite."""
    grid = np.asarray(values, dtype=np.float64)
    if grid.ndim != 1 or not len(grid) or not ((grid > 0) & (grid < np.inf)).all():
        raise InputError(f"every {name} must be positive and finite, not {grid.tolist()}")
    return grid
