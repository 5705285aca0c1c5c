"""Results ranked in leagues: what may be compared, in which order, and what is a tie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featprobe import metrics
from featprobe.errors import InputError, UnknownName, nearest
from featprobe.results import Result


@dataclass(frozen=True)
class Row:
    """A result with its rank among the results of one league.

    ``tied``: not significantly different from the best of the league, with which it shares rank 1.
    """

    rank: int
    result: Result
    tied: bool = False

    @property
    def place(self) -> str:
        """The rank as it is printed: ``3``, ``1=`` for a tie with the best."""
        return f"{self.rank}=" if self.tied else str(self.rank)


FindTies = Callable[[Sequence[Result], str], set[str]]


def build(
    results: Sequence[Result],
    metric: str | None = None,
    data: Sequence[str] = (),
    model: Sequence[str] = (),
    where: Path | None = None,
    ties: FindTies | None = None,
) -> list[Row]:
    """Rank results by a metric (None: that of each task), each in its :func:`league`.

    Equal values share a rank; an undefined one is last. ``ties``: from the results of a league,
    best first, and the metric to the ids of those that are tied with the best; they are given rank
    1 with it, while the ranks of the others still count how many have a better value.

    Raises :class:`InputError` where there are no results, or none has the metric,
    :class:`UnknownName` for a data set or backbone without any.
    """
    chosen = choose(results, data, model, where)
    if metric is not None:
        metrics.about(metric)
        if not any(metric in r.metrics for r in chosen):
            raise InputError(f"no result has {metric!r}; run the probe again to compute it")
    rows = []
    for _, members in sorted(leagues(chosen).items()):
        by = metric or metrics.ranking(members[0].task)
        worth = {r.id: sortable(r, by) for r in members}
        members = sorted(members, key=lambda r: -worth[r.id])
        tied = ties(members, by) if ties else set()
        for r in members:
            better = sum(w > worth[r.id] for w in worth.values())
            rows.append(Row(1 if r.id in tied else 1 + better, r, r.id in tied))
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
    for wanted, known in (
        (data, {r.dataset for r in results}),
        (model, {r.backbone for r in results}),
    ):
        for name in wanted:
            if name not in known:
                raise UnknownName(
                    f"no results for {name!r}.{nearest(name, known)} There: "
                    f"{', '.join(sorted(known))}"
                )
    return [
        r for r in results
        if (not data or r.dataset in data) and (not model or r.backbone in model)
    ]  # fmt: skip


League = tuple[str, str, int]


def leagues(results: Sequence[Result]) -> dict[League, list[Result]]:
    """Results by their :func:`league`."""
    out: dict[League, list[Result]] = {}
    for r in results:
        out.setdefault(league(r), []).append(r)
    return out


def league(r: Result) -> League:
    """What is ranked together: one data set, task, protocol with subset, split, level and shots."""
    full = f"{r.settings.get('subset', 0):.6f}"  # all of train first, then growing parts of it
    order = {"full": full, "cv": "1"}.get(r.protocol, f"2 {r.settings.get('by')}")
    level = [r.settings.get(k, "") for k in ("level", "level_by", "study")]
    same = [order, r.split.get("digest", ""), r.task, *level]
    return r.dataset, " ".join(same), r.shots or 0


def sortable(r: Result, metric: str) -> float:
    """The metric with more being better; an undefined one is less than any."""
    found = r.metrics.get(metric, math.nan)
    sign = 1.0 if metrics.about(metric).higher else -1.0
    return -math.inf if math.isnan(found) else sign * found
