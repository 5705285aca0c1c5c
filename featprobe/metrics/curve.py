"""The ROC and precision-recall curves of one binary problem, under many weightings at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from featprobe.metrics.sums import by_group, ratio

_POINT = re.compile(r"(sens_at_(?P<spec>\d{1,2})spec|spec_at_(?P<sens>\d{1,2})sens)")
_EPS = 1e-9  # of a count: 5 of 100 false positives are a specificity of 0.95


def operating(name: str) -> tuple[str, float] | None:
    """What an operating point holds fixed, and at which value: ``sens_at_90spec`` is ("spec", 0.9);
    None for other metrics."""
    match = _POINT.fullmatch(name)
    if match is None:
        return None
    fixed = "sens" if match["spec"] is None else "spec"
    percent = int(match[fixed])
    return (fixed, percent / 100) if percent else None


def point_name(name: str) -> str:
    """``sens. at 90 % spec.`` of an operating point."""
    fixed, value = operating(name) or ("", 0.0)
    return f"{'spec' if fixed == 'sens' else 'sens'}. at {100 * value:.0f} % {fixed}."


class Curve:
    """Scores of positives and negatives, sorted once for any number of weightings.

    ``positive`` (N,) bool, ``score`` (N,), ``code`` (N,) group of each sample. Only the distinct
    scores of positives are thresholds: between two of them no sensitivity changes. The weight of
    positives and negatives from each threshold up to the next is one sparse product with the
    counts, the curve a cumulative sum.
    """

    NAMES = ("auroc", "ap", "sens_at_95spec", "spec_at_95sens")

    def __init__(
        self, positive: np.ndarray, score: np.ndarray, code: np.ndarray, groups: int
    ) -> None:
        pos, neg = np.flatnonzero(positive), np.flatnonzero(~positive)
        cut = np.unique(score[pos])
        n = self._cuts = len(cut)
        # thresholds from high to low, then one row of the negatives below all of them
        at = np.searchsorted(cut, score[neg], side="right") - 1
        row = np.r_[n - 1 - np.searchsorted(cut, score[pos]), 2 * n - 1 - at]
        self._steps = by_group(2 * n + 1, row, np.r_[pos, neg], 1.0, code, groups)
        level = (at >= 0) & (cut[at] == score[neg]) if n else np.zeros(len(neg), dtype=bool)
        self._tied, place = np.unique(n - 1 - at[level], return_inverse=True)
        self._ties = by_group(len(self._tied), place, neg[level], 1.0, code, groups)

    def __call__(self, counts: np.ndarray, names: Sequence[str] = NAMES) -> dict[str, np.ndarray]:
        """Name -> (B,), for ``counts`` (G, B); NaN where a class that it needs has no weight.

        ``auroc``: area under the ROC curve, ties counted half (Mann-Whitney). ``ap``: average
        precision, the sum over thresholds of precision times the step of recall.
        ``sens_at_95spec``: the highest sensitivity of a threshold whose specificity is at least
        0.95, 0 where there is none; ``spec_at_95sens``: the highest specificity of a threshold
        whose sensitivity is at least 0.95; other percentages likewise (:func:`operating`). No point
        between two thresholds is interpolated. ``positive``: the weight of the positives.
        """
        steps = self._steps @ counts
        pos = steps[: self._cuts]
        below = np.cumsum(steps[self._cuts :], axis=0)
        n_pos, n_neg, fp = pos.sum(0), below[-1], below[:-1]
        both = (n_pos > 0) & (n_neg > 0)
        out = {"positive": n_pos}
        points = {n: at for n in names if (at := operating(n))}
        if "auroc" in names:
            won = n_pos * n_neg - np.einsum("sb,sb->b", pos, fp)
            if len(self._tied):
                won += np.einsum("sb,sb->b", pos[self._tied], self._ties @ counts) / 2
            out["auroc"] = ratio(won, n_pos * n_neg)
        if points or "ap" in names:
            tp = np.cumsum(pos, axis=0)
        if "ap" in names:
            precision = tp / np.maximum(tp + fp, 1e-300)
            out["ap"] = ratio(np.einsum("sb,sb->b", pos, precision), n_pos)
        for name, (fixed, value) in points.items():
            if fixed == "spec":
                allowed = fp <= (1 - value) * n_neg + _EPS
                found = ratio(np.where(allowed, tp, 0.0).max(0, initial=0.0), n_pos)
            else:
                enough = tp >= value * n_pos - _EPS
                found = 1 - ratio(np.where(enough, fp, np.inf).min(0, initial=np.inf), n_neg)
            out[name] = np.where(both, found, np.nan)
        return {n: out[n] for n in names}
