"""Metrics of segmentations: means over items, and ratios of pooled counts."""

from __future__ import annotations

import numpy as np

from featprobe.metrics.sums import Sums, ratio

# what is kept of an item and class; the last three are voxels
FIELDS = ("dice", "iou", "hd95", "asd", "volume_error", "tp", "fp", "fn")
_MEANS, _COUNTS = FIELDS[:5], FIELDS[5:]


class Segmentation:
    """What each item reached in each class: ``p`` (N, C * 8), by class the :data:`FIELDS`.

    Called with counts (G, B) it gives (C, B) values: the mean over items in which a value is
    defined (not NaN), and of all voxels of all items together ``pooled_dice`` = 2 TP / (2 TP + FP +
    FN) and ``pooled_jaccard`` = TP / (TP + FP + FN); NaN where nothing is defined.
    """

    NAMES = (*_MEANS, "pooled_dice", "pooled_jaccard")

    def __init__(self, p: np.ndarray, code: np.ndarray, groups: int) -> None:
        items, classes = len(p), p.shape[1] // len(FIELDS)
        each = p.reshape(items, classes, len(FIELDS))
        row = np.tile(np.arange(classes), items)
        sample = np.repeat(np.arange(items), classes)
        self._sums = Sums(code, groups)
        for k, name in enumerate(FIELDS):
            value = each[..., k].ravel()
            known = ~np.isnan(value)
            where = {"row": row, "rows": classes, "sample": sample}
            self._sums.add(name, np.where(known, value, 0.0), **where)
            if name in _MEANS:
                self._sums.add(f"n {name}", known, **where)

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        s = self._sums(counts)
        out = {name: ratio(s[name], s[f"n {name}"]) for name in _MEANS}
        tp, fp, fn = (s[name] for name in _COUNTS)
        out["pooled_dice"] = ratio(2 * tp, 2 * tp + fp + fn)
        out["pooled_jaccard"] = ratio(tp, tp + fp + fn)
        return out
