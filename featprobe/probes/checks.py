"""What goes into a probe and what comes out of it, looked at."""

from __future__ import annotations

from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.features.augmented import AugmentedRows
from featprobe.features.bags import Bags


def is_regression(y: np.ndarray) -> bool:
    """Whether targets are values (N,) rather than classes or labels."""
    return y.ndim == 1 and y.dtype.kind == "f"


def check_x(x: Any, bags: bool = False, views: bool = False) -> Any:
    """Features as a finite (N, D) array; :class:`InputError` says which row is not finite.

    :class:`~featprobe.features.bags.Bags`, where ``bags`` allows them, are returned as they are,
    as are :class:`~featprobe.features.augmented.AugmentedRows` where ``views`` does.
    """
    if isinstance(x, AugmentedRows):
        if not views:
            raise InputError("this probe takes one view of each item: give it views[0]")
        return x.mapped(check_x)
    if hasattr(x, "toarray"):
        raise InputError("sparse features are not supported: pass them as x.toarray()")
    if isinstance(x, Bags):
        if not bags:
            raise InputError("this probe takes one row an item: give it the mean() of the bags")
        check_x(x.frames)
        return x
    x = np.asarray(x)
    if x.ndim != 2 or not x.size:
        raise InputError(f"features must be a non-empty (N, D) array, not of shape {x.shape}")
    if x.dtype.kind not in "fiub":
        raise InputError(f"features must be numbers, not {x.dtype}")
    bad = ~np.isfinite(x).all(1)
    if bad.any():
        raise InputError(
            f"features of {int(bad.sum())} rows are NaN or infinite, first row "
            f"{int(np.flatnonzero(bad)[0])}"
        )
    return x


def check_scores(p: np.ndarray, name: str) -> np.ndarray:
    """Scores (N, C) as they are; :class:`InputError` where some are not finite."""
    bad = ~np.isfinite(p).all(-1)
    if bad.any():
        raise InputError(
            f"{name}: the scores of {int(bad.sum())} of {bad.size} items are not finite, its "
            "training diverged: use a smaller learning rate, or features of usual scale"
        )
    return p
