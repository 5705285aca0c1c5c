"""The legend of ranks below a leaderboard."""

from __future__ import annotations

from collections.abc import Sequence

from featprobe.leaderboard.board import RankRange, Row
from featprobe.metrics import measures as metrics

SETS = (
    "Ranks: by value; in brackets those that cannot be excluded, by all pairs of a league at "
    "once (paired permutation by patient, max-T, 0.05)."
)


def legend(board: Sequence[Row]) -> list[str]:
    """Nothing where nothing was tested."""
    tested = [(row, row.standing) for row in board if row.standing and row.standing.pairs]
    if not tested:
        return []
    lines = [SETS]
    lines += [_close(row, s) for row, s in tested if s.not_worse]
    sizes = {row.league: (row.data, s.pairs) for row, s in tested}
    lines += [
        f"{data}: {pairs} {'comparison' if pairs == 1 else 'comparisons'} at once"
        for data, pairs in sizes.values()
    ]
    return list(dict.fromkeys(lines))


def _close(row: Row, s: RankRange) -> str:
    margin, label = f"{s.margin:g}", metrics.about(row.metric).label
    return (
        f"~: not worse than the best of its league by more than {margin} {label} (its simultaneous "
        "interval ends before)."
    )
