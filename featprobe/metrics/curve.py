"""The ROC and precision-recall curves of one binary problem, under many weightings at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from featprobe.metrics.sums import ratio, running

_POINT = re.compile(r"(sens_at_(?P<spec>\d{1,2})spec|spec_at_(?P<sens>\d{1,2})sens)")
STEPS = 1024  # thresholds at a time
_MOST = 2048  # negatives of a step: drawn 31 times each they are still counted in 16 bits
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
        # negatives between two thresholds are parted further where they are many: no curve changes
        # at a threshold without positives, and sums stay short
        here = np.arange(len(step)) - np.searchsorted(step, step)
        more = ~is_cut[level] & (here % _MOST == 0) & (here > 0)
        step = np.cumsum(more | (np.diff(step, prepend=step[:1]) != 0))
        n = int(step.max(initial=-1)) + 1
        starts = np.searchsorted(step, np.arange(0, n + STEPS, STEPS).clip(max=n))
        self._parts = []
        self._most = self._part = 0  # samples of a row, and of all rows of a part
        for start, a, b in zip(range(0, n, STEPS), starts, starts[1:]):
            k = min(STEPS, n - start)
            at, item, of = step[a:b] - start, order[a:b], hit[a:b]
            ties, row = np.unique(at[tied[a:b]], return_inverse=True)
            # samples are sorted: so are the rows of positives, of negatives, and of ties
            rows = np.r_[at[of], k + at[~of], 2 * k + row]
            items = np.r_[item[of], item[~of], item[tied[a:b]]]
            each = np.bincount(rows, minlength=2 * k + len(ties))
            self._most = max(self._most, int(each.max(initial=0)))
            self._part = max(self._part, len(rows))
            once = np.ones(len(rows), dtype=np.uint8)
            shape = (2 * k + len(ties), groups)
            ends = np.r_[0, np.cumsum(each)]
            self._parts.append((k, ties, csr_array((once, code[items], ends), shape)))

    def __call__(
        self, counts: np.ndarray, names: Sequence[str] = NAMES, peak: int | None = None
    ) -> dict[str, np.ndarray]:
        """Name -> (B,), for ``counts`` (G, B); NaN where a class that it needs has no weight.

        Counts of an unsigned dtype, those of a bootstrap, give the same bits in less time; ``peak``
        is the largest of them, looked for where it is not given.

        ``auroc``: area under the ROC curve, ties counted half (Mann-Whitney). ``ap``: average
        precision, the sum over thresholds of precision times the step of recall.
        ``sens_at_95spec``: the highest sensitivity of a threshold whose specificity is at least
        0.95, 0 where there is none; ``spec_at_95sens``: the highest specificity of a threshold
        whose sensitivity is at least 0.95; other percentages likewise (:func:`operating`). No point
        between two thresholds is interpolated. ``positive``: the weight of the positives.
        """
        points = {n: at for n in names if (at := operating(n))}
        if counts.dtype.kind == "u":
            counts = self._wide(counts, peak)
        if counts.dtype.kind == "u" and not points and "ap" not in names:
            found = self._of_whole(counts)
            return {n: found[n] for n in names}
        steps = [(k, ties, matrix @ counts) for k, ties, matrix in self._parts]
        n = counts.shape[1]
        n_pos, n_neg, lost, precise = np.zeros((4, n))
        for k, _, sums in steps:
            n_pos += sums[:k].sum(0, dtype=np.float64)
            n_neg += sums[k : 2 * k].sum(0, dtype=np.float64)
        best = {p: np.full(n, np.inf if f == "sens" else 0.0) for p, (f, _) in points.items()}
        tp = fp = np.zeros((1, n))
        for k, ties, sums in steps:
            sums = sums.astype(np.float64, copy=False)
            pos, tied = sums[:k], sums[2 * k :]
            fp = running(sums[k : 2 * k], fp[-1])
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
        out = _area(n_pos, n_neg, lost) | {"ap": ratio(precise, n_pos)}
        both = (n_pos > 0) & (n_neg > 0)
        for name, (fixed, _) in points.items():
            reached = ratio(best[name], n_pos if fixed == "spec" else n_neg)
            out[name] = np.where(both, reached if fixed == "spec" else 1 - reached, np.nan)
        return {n: out[n] for n in names}

    def _wide(self, counts: np.ndarray, peak: int | None) -> np.ndarray:
        """Counts whose sums fit their dtype, those of a part 32 bits: short ones add up faster."""
        peak = int(counts.max(initial=0)) if peak is None else peak
        if self._part * peak >= 2**32:
            return counts.astype(np.float64)
        short = self._most * peak < 2**16
        return counts.astype(np.uint16 if short else np.uint32, copy=False)

    def _of_whole(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """``positive`` and ``auroc`` by whole numbers of 32 bits, but where pairs are too many."""
        n_pos, n_neg, lost = np.zeros((3, counts.shape[1]))
        for k, ties, matrix in self._parts:
            sums = (matrix @ counts).astype(np.uint32, copy=False)
            fp = running(sums[k : 2 * k])
            pos, tied, total = sums[:k], sums[2 * k :], sums[:k].sum(0, dtype=np.uint32)
            if int(total.max()) * int(fp[-1].max()) >= 2**32:
                pos = pos.astype(np.float64)
            lost += total * n_neg + np.einsum("kb,kb->b", pos, fp)
            lost -= np.einsum("kb,kb->b", pos[ties], tied) / 2
            n_pos += total
            n_neg += fp[-1]
        return _area(n_pos, n_neg, lost)


def _area(n_pos: np.ndarray, n_neg: np.ndarray, lost: np.ndarray) -> dict[str, np.ndarray]:
    """By the weights of positives, of negatives, and of the pairs of them in the wrong order."""
    return {"positive": n_pos, "auroc": ratio(n_pos * n_neg - lost, n_pos * n_neg)}
