"""Figures of Results, through matplotlib: ``featprobe.plots.forest(results, ax)`` and others.

Every function takes Results, and an ``ax`` or None for a figure of its own in the width of a
column, and returns the axes. They are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from featprobe.core.lazy import lazily

if TYPE_CHECKING:
    from featprobe.plots.blocks import forest, per_class, subgroups
    from featprobe.plots.clouds import cost_quality, frozen_unfrozen
    from featprobe.plots.curves import by_block, data_fraction, few_shot, training_curves
    from featprobe.plots.decisions import calibration, confusion_matrix, precision_recall, roc
    from featprobe.plots.maps import embedding_map
    from featprobe.plots.over_sets import boxes, critical_difference, mean_ranks, win_matrix
    from featprobe.plots.style import save

_WHERE = {
    "forest": "blocks",
    "per_class": "blocks",
    "subgroups": "blocks",
    "cost_quality": "clouds",
    "frozen_unfrozen": "clouds",
    "by_block": "curves",
    "data_fraction": "curves",
    "few_shot": "curves",
    "layers": "curves",
    "training_curves": "curves",
    "calibration": "decisions",
    "confusion_matrix": "decisions",
    "precision_recall": "decisions",
    "roc": "decisions",
    "embedding_map": "maps",
    "boxes": "over_sets",
    "critical_difference": "over_sets",
    "mean_ranks": "over_sets",
    "win_matrix": "over_sets",
    "save": "style",
}

__all__ = [
    "boxes",
    "by_block",
    "calibration",
    "confusion_matrix",
    "cost_quality",
    "critical_difference",
    "data_fraction",
    "embedding_map",
    "few_shot",
    "forest",
    "frozen_unfrozen",
    "mean_ranks",
    "per_class",
    "precision_recall",
    "roc",
    "save",
    "subgroups",
    "training_curves",
    "win_matrix",
]

__getattr__, __dir__ = lazily(__name__, _WHERE, __all__)
