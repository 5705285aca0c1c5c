"""Lines on the metrics, on test, of decisions at thresholds chosen on val."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from featprobe.core.display import ends
from featprobe.evaluation.results import Result
from featprobe.leaderboard.row_labels import row
from featprobe.metrics import measures as metrics
from featprobe.metrics.operating_point import OperatingPoint

SAID = 3  # classes whose thresholds are written out


def threshold_metrics(results: Sequence[Result]) -> list[str]:
    """A line for each result with thresholds: what they are, and sensitivity and the rest there."""
    lines = []
    for r in results:
        if not r.thresholds:
            continue
        reached = [
            f"{metrics.about(n).label} {r.metrics[n]:.3f}{ends(r.ci.get(n, (math.nan, math.nan)))}"
            for n in OperatingPoint.NAMES
            if not math.isnan(r.metrics.get(n, math.nan))
        ]
        lines.append(f"{row(r)}: {_where(r)}: {', '.join(reached) or 'not defined'}")
    return lines


def _where(r: Result) -> str:
    rule = f"(by {r.settings.get('threshold')} on val)"
    if len(r.thresholds) > SAID:
        return f"{len(r.thresholds)} labels, each at its threshold {rule}"
    notes = []
    for name, cut in r.thresholds.items():
        low, high = np.min(cut), np.max(cut)
        same = low == high or np.isnan(low)
        notes.append(f"{name} from {low:.3g}" if same else f"{name} from {low:.3g} to {high:.3g}")
    return f"{', '.join(notes)} {rule}"
