"""The ranks that cannot be excluded, and what is not worse than the best, of every league."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.results import Result
from featprobe.leaderboard.board import RankRange, sortable
from featprobe.leaderboard.kept_scores import load
from featprobe.leaderboard.row_labels import setting
from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.paired_tests import differ
from featprobe.stats.ranksets import rank_sets
from featprobe.stats.resampling import RESAMPLES

AFFORDABLE = 1_000_000  # scores of a model: of as many, a test takes seconds
MARGIN = 0.02  # of a metric whose scale ends at 1
SCALED = ("mae", "rmse", "hd95", "asd")  # in the unit of the target: no margin suits all


class RankRanges:
    """Tests all pairs of a league at once, for :func:`~featprobe.leaderboard.board.build`.

    ``margin``: a result is not worse than the best where the simultaneous interval of their
    difference stays on this side of it (the non-inferiority half of Schuirmann's two one-sided
    tests, 1987); by default :data:`MARGIN`, of errors in the unit of a target none. A result
    without kept scores, or with other test items than most, is not tested and says so, nor is a
    league with more scores than :data:`AFFORDABLE` a model; ``notes`` gives the reasons in full.

    Raises :class:`InputError` for a margin that is not positive, and where kept scores do not reach
    what their result says.
    """

    def __init__(
        self, cache: Path, margin: float | None = None, resamples: int = RESAMPLES
    ) -> None:
        if margin is not None and not 0 < margin < math.inf:
            raise InputError(f"--margin {margin:g}: it must be a positive difference in the metric")
        self._cache, self._margin, self._resamples = cache, margin, resamples
        self.notes: list[str] = []

    def __call__(self, members: Sequence[Result], metric: str) -> dict[str, RankRange]:
        """By id, of the results of one league, best first."""
        defined = [r for r in members if math.isfinite(sortable(r, metric))]
        out = {r.id: RankRange(why="not defined") for r in members if r not in defined}
        if len(members) < 2 or not defined:
            return out if len(members) > 1 else {}
        kept = load(self._cache, defined, metric)
        out |= {i: RankRange(why=why) for i, why in kept.short.items()}
        if kept.left_out:
            self.notes.append(f"not tested: {'; '.join(kept.left_out.values())}")
        there = [r for r in defined if r.id in kept.scored]
        if any(sum(p.size for p in s.tries) > AFFORDABLE for s in kept.scored.values()):
            self.notes.append(
                f"{members[0].dataset}, {setting(members[0])}: not tested among so many scores; "
                "'featprobe compare' does"
            )
            return out | {r.id: RankRange(why="not tested") for r in there}
        if len(there) < 2:
            return out | {r.id: RankRange(1, len(defined)) for r in there}
        try:
            tested = self._tested(there, [kept.scored[r.id] for r in there], metric, len(defined))
        except InputError as error:
            self.notes.append(f"{members[0].dataset}, {setting(members[0])}: {error}")
            tested = {r.id: RankRange(why="not tested") for r in there}
        return out | tested

    def _tested(
        self, there: Sequence[Result], scored: Sequence[ItemScores], metric: str, results: int
    ) -> dict[str, RankRange]:
        pairs = list(combinations(range(len(there)), 2))
        found = differ(
            scored, metric, pairs, resamples=self._resamples,
            seed=int(there[0].split.get("seed") or 0),
            shared=float(there[0].split.get("shared") or 0),
        )  # fmt: skip
        higher = metrics.about(metric).higher
        ranks = rank_sets(len(there), pairs, found, higher)
        margin = self._margin
        if margin is None and metric.partition(":")[0] not in SCALED:
            margin = MARGIN
        beyond = found.joint_high if higher else -found.joint_low  # of the best over another
        behind = dict(zip(pairs, beyond))
        untested = results - len(there)  # may be before or behind any other
        out = {}
        for k, r in enumerate(there):
            close = None
            if margin is not None:  # the same scores have no interval
                same = all(map(np.array_equal, scored[0].tries, scored[k].tries))
                close = k == 0 or same or bool(behind[0, k] < margin)
            last = int(ranks.high[k]) + untested
            out[r.id] = RankRange(int(ranks.low[k]), last, close, margin, len(pairs))
        return out
