"""Results ranked in their leagues, and what is known of the ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.jsonvalues import plain
from featprobe.evaluation.results import Result
from featprobe.features.lookup import data_named, model_named
from featprobe.leaderboard.leagues import League, distinctions, leagues
from featprobe.leaderboard.on_request import computed
from featprobe.metrics import measures as metrics


@dataclass(frozen=True)
class RankRange:
    """What the tests of a league say of one of its results.

    ``low``, ``high``: the ranks that cannot be excluded. ``not_worse``: than the best of the league
    by more than ``margin``, None without a margin. ``pairs``: how many were compared together.
    ``why``: of a result that was not tested, the reason in a few words; nothing else is known then.
    """

    low: int | None = None
    high: int | None = None
    not_worse: bool | None = None
    margin: float | None = None
    pairs: int = 0
    why: str = ""


@dataclass(frozen=True)
class Row:
    """A result with its rank among the results of one league, by ``value`` of ``metric``; NaN where
    it is not defined. ``apart``: what tells its league from others of the data set, in words.
    ``standing``: None where nothing was tested."""

    rank: int
    result: Result
    metric: str
    value: float
    league: League
    apart: str = ""
    standing: RankRange | None = None

    @property
    def data(self) -> str:
        """The data set, with what tells the league from others of it: ``films (5 folds)``."""
        return f"{self.result.dataset} ({self.apart})" if self.apart else self.result.dataset

    @property
    def place(self) -> str:
        """The rank as it is printed: ``3``; ``2 (1-4)`` where these ranks cannot be excluded, with
        ``~`` if it is not worse than the best by a margin; ``2 (no scores)``."""
        s = self.standing
        if s is None:
            return str(self.rank)
        if s.low is None:
            return f"{self.rank} ({s.why})"
        ranks = f"{s.low}" if s.low == s.high else f"{s.low}-{s.high}"
        return f"{self.rank} ({ranks}){' ~' if s.not_worse else ''}"

    @property
    def may_be_first(self) -> bool:
        """Whether tests leave the first rank of its league open; where none was made, whether its
        value is the best."""
        if math.isnan(self.value):
            return False
        s = self.standing
        return self.rank == 1 if s is None or s.low is None else s.low == 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values of the place, without the result."""
        own = {"rank": self.rank, "metric": self.metric, "value": self.value}
        s = asdict(self.standing or RankRange(why="not tested"))
        renamed = {"rank_low": s.pop("low"), "rank_high": s.pop("high"), "untested": s.pop("why")}
        return plain(own | renamed | s)


Stand = Callable[[Sequence[Result], str], dict[str, RankRange]]


def build(
    results: Sequence[Result],
    metric: str | None = None,
    data: Sequence[str] = (),
    model: Sequence[str] = (),
    where: Path | None = None,
    stand: Stand | None = None,
    across: Collection[str] = (),
) -> list[Row]:
    """Rank results by a metric (None: that of each task), each in its league.

    Equal values share a rank; an undefined one is last. ``stand``: from the results of a league,
    best first, and the metric to what tests say of each by id
    (:class:`~featprobe.leaderboard.rank_ranges.RankRanges`). ``across``: see
    :func:`~featprobe.leaderboard.leagues.league`. A metric that results lack is computed from the
    scores kept in ``where``.

    Raises :class:`InputError` where there are no results, or none has the metric,
    :class:`UnknownName` for a data set or backbone without any.
    """
    chosen = choose(results, data, model, where)
    if metric is not None:
        metrics.about(metric)
        chosen = chosen if where is None else computed(where, chosen, metric)
        if not any(metric in r.metrics for r in chosen):
            raise InputError(f"no result has {metric!r}; run the probe again to compute it")
    rows = []
    apart = distinctions(chosen, across)
    for key, members in sorted(leagues(chosen, across).items()):
        by = metric or metrics.ranking(members[0].task)
        worth = {r.id: sortable(r, by) for r in members}
        members = sorted(members, key=lambda r: -worth[r.id])
        standing = stand(members, by) if stand else {}
        for r in members:
            better = sum(w > worth[r.id] for w in worth.values())
            value = r.metrics.get(by, math.nan)
            rows.append(Row(1 + better, r, by, value, key, apart[key], standing.get(r.id)))
    return rows


def choose(
    results: Sequence[Result], data: Sequence[str], model: Sequence[str], where: Path | None
) -> list[Result]:
    """The results of these data sets and backbones, by default all; errors as in :func:`build`."""
    if not results:
        raise InputError(
            f"no results in {where}; run 'featprobe knn', 'fewshot' or 'linear' on extracted "
            "features first"
        )
    sets, models = {r.dataset for r in results}, {r.backbone for r in results}
    chosen = [
        [means(name, known) for name in wanted]
        for means, wanted, known in ((data_named, data, sets), (model_named, model, models))
    ]
    for wanted, known in zip(chosen, (sets, models)):
        for name in wanted:
            if name not in known:
                raise UnknownName(
                    f"no results for {name!r}.{nearest(name, known)} There: "
                    f"{', '.join(sorted(known))}"
                )
    return [
        r for r in results
        if (not data or r.dataset in chosen[0]) and (not model or r.backbone in chosen[1])
    ]  # fmt: skip


def sortable(r: Result, metric: str) -> float:
    """The metric with more being better; an undefined one is less than any."""
    found = r.metrics.get(metric, math.nan)
    sign = 1.0 if metrics.about(metric).higher else -1.0
    return -math.inf if math.isnan(found) else sign * found
