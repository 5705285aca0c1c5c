"""Which candidate of a probe, in which view, validation data prefer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featprobe import metrics
from featprobe.fitted import Data, Fitted, View
from featprobe.probes.base import Probe
from featprobe.selection import merit

WIDEST = 4  # grids that are tried at most, each beyond the one before


@dataclass(frozen=True)
class Choice:
    """The best candidate of a probe, its view, and the scores (G, n, C) of all on val.

    ``last``: no wider grid than that of ``probe`` was tried.
    """

    view: View
    probe: Probe
    index: int
    scores: np.ndarray
    last: bool


def choose(probe: Probe, data: Data) -> Choice:
    """Fit every candidate in every view on train, and take the best on val.

    A grid whose best value is its first or last is widened there, where the probe can.
    """
    s, best, top = data.split, None, (-np.inf, -np.inf)
    for view in data.views:
        tried = probe
        for left in reversed(range(WIDEST)):
            fitted = Fitted(tried, data, view, s.train)
            scored = fitted.scores(s.val)
            merits = [merit(p, data.y[s.val]) for p in scored]
            first = max(range(len(merits)), key=merits.__getitem__)
            wider = tried.beyond(first) if left else None
            if best is None or merits[first] > top:
                top = merits[first]
                best = Choice(view, fitted.probe, first, scored, wider is None)
            if wider is None:
                break
            tried = wider
    assert best is not None
    return best


def on_val(data: Data, p: np.ndarray) -> dict[str, float]:
    wanted = [metrics.ranking(data.task)]
    values = metrics.compute(data.task, data.y[data.split.val], p, wanted=wanted)
    return {k: float(v[0]) for k, v in values.items()}


def edge(probe: Probe, best: int) -> list[str]:
    last = len(probe.candidates()) - 1
    if probe.report_all or last < 2 or best not in (0, last):
        return []
    return [f"the chosen candidate is the {'last' if best else 'first'} of the grid"]


def diverged(probe: Probe, scores: np.ndarray) -> list[str]:
    """Which candidates have scores (G, n, C) on val that are not finite: they are not chosen."""
    lost = [c for c, p in zip(probe.candidates(), scores) if not np.isfinite(p).all()]
    told = ["; ".join(f"{k}={v:g}" for k, v in c.items()) for c in lost]
    return [f"training diverged and is not chosen at {', '.join(told)}"] if lost else []
