"""The ROC and precision-recall curves of one binary problem, under many weightings at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from featprobe.metrics.sums import ratio, running

_POINT = re.compile(r"(sens_at_(?P<spec>\d{1,2})spec|spec_at_(?P<sens>\d{1,2})sens)")
STEPS = 1024  # thresholds at a time
EXACT = 2**24  # below it float32 holds every whole number
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
    counts, the curve a cumulative sum. Both go from high to low over so many thresholds at a time
    that what is done with them stays near the processor.
    """

    NAMES = ("auroc", "ap", "sens_at_95spec", "spec_at_95sens")

    def __init__(
        self, positive: np.ndarray, score: np.ndarray, code: np.ndarray, groups: int
    ) -> None:
        from scipy.sparse import csr_array

        order = np.argsort(score)[::-1]
        hit, sorted_score = positive[order], score[order]
        level = np.cumsum(np.diff(sorted_score, prepend=sorted_score[:1]) != 0)
        is_cut = np.bincount(level[hit], minlength=level.max(initial=-1) + 1) > 0
        first: np.ndarray = np.cumsum(is_cut) - is_cut
        step = first[level]  # the first threshold that a sample is above
        tied = is_cut[level] & ~hit
        n = int(is_cut.sum())
        of_class = (np.bincount(code[k], minlength=groups) for k in (positive, ~positive))
        self._totals = np.stack(list(of_class)).astype(np.float32)
        starts = np.searchsorted(step, np.arange(0, n + STEPS, STEPS).clip(max=n))
        self._parts = []
        for start, a, b in zip(range(0, n, STEPS), starts, starts[1:]):
            k = min(STEPS, n - start)
            at, item, of = step[a:b] - start, order[a:b], hit[a:b]
            ties, row = np.unique(at[tied[a:b]], return_inverse=True)
            # samples are sorted: so are the rows of positives, of negatives, and of ties
            rows = np.r_[at[of], k + at[~of], 2 * k + row]
            items = np.r_[item[of], item[~of], item[tied[a:b]]]
            ends = np.cumsum(np.bincount(rows, minlength=2 * k + len(ties)))
            once = np.ones(len(rows), dtype=np.float32)
            shape = (2 * k + len(ties), groups)
            self._parts.append((k, ties, csr_array((once, code[items], np.r_[0, ends]), shape)))

    def __call__(self, counts: np.ndarray, names: Sequence[str] = NAMES) -> dict[str, np.ndarray]:
        """Name -> (B,), for ``counts`` (G, B); NaN where a class that it needs has no weight.

        Counts of float32 are whole numbers (those of a bootstrap) of which no sum reaches
        :data:`EXACT`, so that all are exact; other weights have to come as float64.

        ``auroc``: area under the ROC curve, ties counted half (Mann-Whitney). ``ap``: average
        precision, the sum over thresholds of precision times the step of recall.
        ``sens_at_95spec``: the highest sensitivity of a threshold whose specificity is at least
        0.95, 0 where there is none; ``spec_at_95sens``: the highest specificity of a threshold
        whose sensitivity is at least 0.95; other percentages likewise (:func:`operating`). No point
        between two thresholds is interpolated. ``positive``: the weight of the positives.
        """
        points = {n: at for n in names if (at := operating(n))}
        n_pos, n_neg = (self._totals @ counts).astype(np.float64)
        n = counts.shape[1]
        lost, precise = np.zeros((2, n))
        best = {p: np.full(n, np.inf if f == "sens" else 0.0) for p, (f, _) in points.items()}
        tp = fp = np.zeros((1, n))
        for k, ties, matrix in self._parts:
            steps = (matrix @ counts).astype(np.float64)
            pos, tied = steps[:k], steps[2 * k :]
            fp = running(steps[k : 2 * k], fp[-1])
            if "auroc" in names:
                lost += (pos * fp).sum(0) - (pos[ties] * tied).sum(0) / 2
            if points or "ap" in names:
                tp = running(pos.copy(), tp[-1])
            if "ap" in names:
                precise += (pos * (tp / np.maximum(tp + fp, 1e-300))).sum(0)
            for name, (fixed, value) in points.items():
                if fixed == "spec":
                    allowed = fp <= (1 - value) * n_neg + _EPS
                    best[name] = np.maximum(best[name], np.where(allowed, tp, 0.0).max(0))
                else:
                    enough = tp >= value * n_pos - _EPS
                    best[name] = np.minimum(best[name], np.where(enough, fp, np.inf).min(0))
        area = ratio(n_pos * n_neg - lost, n_pos * n_neg)
        out = {"positive": n_pos, "auroc": area, "ap": ratio(precise, n_pos)}
        both = (n_pos > 0) & (n_neg > 0)
        for name, (fixed, _) in points.items():
            reached = ratio(best[name], n_pos if fixed == "spec" else n_neg)
            out[name] = np.where(both, reached if fixed == "spec" else 1 - reached, np.nan)
        return {n: out[n] for n in names}
