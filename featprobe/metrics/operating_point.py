"""Decisions at thresholds that were chosen before: one of two classes, or each label."""

from __future__ import annotations

import numpy as np

from featprobe.metrics.sums import Sums, ratio


class OperatingPoint:
    """Present is what is scored at ``cut`` or above.

    Two classes: ``y`` (N,) of 0 and 1, ``p`` (N, 2), the second class is the positive one and
    ``cut`` (1,) is of its score; called with counts (G, B) it gives (B,) values. Labels: ``y``
    (N, C) of 0, 1 and NaN (unknown), ``p`` (N, C), ``cut`` (C,); it gives (C, B). NaN where ``cut``
    is, or nothing is to be divided by.
    """

    NAMES = ("sensitivity", "specificity", "ppv", "npv", "f1_at_threshold")

    def __init__(
        self, y: np.ndarray, p: np.ndarray, code: np.ndarray, groups: int, cut: np.ndarray
    ) -> None:
        self._several = y.ndim == 2
        if not self._several:
            y, p = (y == 1)[:, None].astype(np.float64), p[:, 1:]
        labels = y.shape[1]
        self._without = np.isnan(cut)
        sample, label = np.nonzero(~np.isnan(y))
        truth, predicted = y[sample, label] == 1, p[sample, label] >= cut[label]
        self._sums = Sums(code, groups)
        for name, value in (
            ("known", np.ones(len(truth))), ("true", truth), ("said", predicted), ("both", truth &
            predicted),
        ):  # fmt: skip
            self._sums.add(name, value, row=label, rows=labels, sample=sample)

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        s = self._sums(counts)
        known, true, predicted, both = s["known"], s["true"], s["said"], s["both"]
        rejected = known - true - predicted + both
        found = {
            "sensitivity": ratio(both, true),
            "specificity": ratio(rejected, known - true),
            "ppv": ratio(both, predicted),
            "npv": ratio(rejected, known - predicted),
            "f1_at_threshold": ratio(2 * both, true + predicted),
        }
        for value in found.values():
            value[self._without] = np.nan
        return found if self._several else {n: v[0] for n, v in found.items()}
