"""AUROC of every class against every other one."""

from __future__ import annotations

import numpy as np

from featprobe.metrics.curve import Curve
from featprobe.metrics.sums import nan_mean


class OneVsOne:
    """``y`` (N,) class indices, ``p`` (N, C); called with counts (G, B) it gives (B,) values.

    The mean over pairs of classes of the mean of two AUROCs: among the items of these two, of the
    score of either (Hand and Till 2001; scikit-learn's ``multi_class="ovo"``, macro). Pairs of
    which one class has no weight are left out.
    """

    NAME = "auroc_ovo"

    def __init__(self, y: np.ndarray, p: np.ndarray, code: np.ndarray, groups: int) -> None:
        self._curves = []
        rows = [np.flatnonzero(y == c) for c in range(p.shape[1])]
        there = [c for c, r in enumerate(rows) if len(r)]
        for a in there:
            for b in there:
                if a != b:
                    of = np.r_[rows[a], rows[b]]
                    self._curves.append(Curve(y[of] == a, p[of, a], code[of], groups))

    def __call__(self, counts: np.ndarray, peak: int | None = None) -> dict[str, np.ndarray]:
        if not self._curves:
            return {self.NAME: np.full(counts.shape[1], np.nan)}
        each = [curve(counts, ("auroc",), peak)["auroc"] for curve in self._curves]
        return {self.NAME: nan_mean(np.stack(each))}
