"""Selects the candidate of a probe, and the view, by validation data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from featprobe.evaluation.fitted import Data, FittedProbe, View
from featprobe.metrics import measures as metrics
from featprobe.probes.base import Probe
from featprobe.probes.selection import LOSS, Criterion

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

    @property
    def chosen(self) -> np.ndarray:
        """(n, C) scores of the best one."""
        return self.scores[self.index]


def choose(probe: Probe, data: Data) -> Choice:
    """Fit every candidate in every view on train, and select the best on val.

    By :class:`~featprobe.probes.selection.Criterion`: among the candidates of a grid, then among
    what the grids and the views have put forward, where a later view has to be better. A grid whose
    best value is its first or last is widened there, where the probe can and the loss still falls.
    """
    best: Choice | None = None
    for view in data.views:
        of_view: Choice | None = None
        tried = probe
        for left in reversed(range(WIDEST)):
            found, wider = _on_grid(tried, data, view, left > 0)
            of_view = found if of_view is None else _better(of_view, found, data)
            if wider is None:
                break
            tried = wider
        assert of_view is not None
        best = of_view if best is None else _better(best, of_view, data)
    assert best is not None
    return best


def _on_grid(probe: Probe, data: Data, view: View, more: bool) -> tuple[Choice, Probe | None]:
    """The best candidate of one grid, and the probe with the grid to be tried after it."""
    s, criterion = data.split, data.criterion
    fitted = FittedProbe(probe, data, view, s.train)
    scores = fitted.scores(s.val)
    y, groups, order = data.y[s.val], data.groups[s.val], fitted.probe.simplicity()
    index = criterion.best(scores, y, groups, order)
    wider = probe.beyond(index) if more else None
    if wider is not None and _by_loss(criterion).best(scores, y) != index:
        wider = None  # what else it was chosen for goes on for ever: ties, and changes by chance
    return Choice(view, fitted.probe, index, scores, wider is None), wider


def _by_loss(criterion: Criterion) -> Criterion:
    """The one with the least loss, however little less it is."""
    by = criterion.by if criterion.task == "regression" else LOSS
    return replace(criterion, by=by, one_se=False)


def _better(one: Choice, other: Choice, data: Data) -> Choice:
    """The better of two; the first one where they are equal."""
    order = None
    if one.view == other.view:
        every = [c.probe.simplicity() for c in (one, other)]
        picked = [o[c.index] for o, c in zip(every, (one, other)) if o is not None]
        order = picked if len(picked) == 2 else None
    rows = data.split.val
    scores = np.stack([one.chosen, other.chosen])
    best = data.criterion.best(scores, data.y[rows], data.groups[rows], order)
    return (one, other)[best]


def on_val(data: Data, p: np.ndarray) -> dict[str, float]:
    """Compute the ranking metric and the selection criterion of scores (n, C) on val."""
    by = data.criterion.by
    wanted = dict.fromkeys([metrics.ranking(data.task), *([by] if by != LOSS else [])])
    values = metrics.compute(data.task, data.y[data.split.val], p, wanted=list(wanted))
    return {k: float(v[0]) for k, v in values.items()}


def edge(probe: Probe, best: int) -> list[str]:
    """A note where the best candidate is an end of the grid."""
    last = len(probe.candidates()) - 1
    if probe.report_all or last < 2 or best not in (0, last):
        return []
    return [f"the chosen candidate is the {'last' if best else 'first'} of the grid"]


def diverged(probe: Probe, scores: np.ndarray) -> list[str]:
    """Mark candidates whose scores (G, n, C) on val are not finite; they are not selected."""
    lost = [c for c, p in zip(probe.candidates(), scores) if not np.isfinite(p).all()]
    parts = ["; ".join(f"{k}={v:g}" for k, v in c.items()) for c in lost]
    return [f"training diverged and is not chosen at {', '.join(parts)}"] if lost else []


def idle(probe: Probe, data: Data) -> list[str]:
    """Says that what val is to choose by has no effect, where something was asked and none has."""
    if data.criterion.usual or len(probe.candidates()) * len(data.views) > 1:
        return []
    requested = ", ".join(f"{k}={v}" for k, v in data.criterion.to_dict().items())
    return [f"{requested} has no effect: there is one candidate"]
