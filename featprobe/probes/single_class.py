"""Labels of which training had one value only: that value is what is predicted of them."""

from __future__ import annotations

import numpy as np


def one_value(y: np.ndarray) -> np.ndarray:
    """(C,) labels (N, C) without both a known positive and a known negative."""
    return ~((y == 1).any(0) & (y == 0).any(0))


def constants(y: np.ndarray) -> np.ndarray | None:
    """(C,) the one value that training (``y``) had of a label: 1 where every known item has it, 0
    where none has or nothing is known; NaN for a label with both. None where every label has both,
    and for classes and values (N,).
    """
    if y.ndim == 1 or not one_value(y).any():
        return None
    return np.where(one_value(y), (y == 1).any(0).astype(float), np.nan)


def settled(scores: np.ndarray, constant: np.ndarray | None) -> np.ndarray:
    """Scores (..., C) with those of the labels that have a constant replaced by it.

    What a solver makes of such a label is rounding, which would be ranked, or 0.5, which would
    count as a finding. Alike for all items, an AUROC of it is 0.5 or undefined.
    """
    return scores if constant is None else np.where(np.isnan(constant), scores, constant)


def shares(y: np.ndarray, columns: int) -> np.ndarray:
    """(C,) what a probe says of an item that it knows nothing of: how often each class of ``y``
    (N,) occurs, or each label (N, C) among its known items (0 where nothing is known)."""
    if y.ndim == 1:
        return np.bincount(y.astype(np.int64), minlength=columns) / max(1, len(y))
    known = (~np.isnan(y)).sum(0)
    return np.nan_to_num(y).sum(0) / np.maximum(known, 1)
