"""The columns of a leaderboard: heads and cells as every output shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from featprobe.core.display import ends
from featprobe.evaluation.results import Result
from featprobe.leaderboard import cost, uncertainty
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.footnotes import Footnotes
from featprobe.leaderboard.row_labels import Among, backbone_name, probe_name, setting
from featprobe.metrics import measures as metrics


def value(r: Result, metric: str) -> str:
    """``0.812 [0.770, 0.851]``, with a dash where the metric is not defined or not there; of a mean
    over seeds ``0.812 ± 0.010 [...]`` with their standard deviation."""
    shown = with_interval(r.metrics, r.ci, metric)
    if r.seeds and shown != "-":
        mean, _, rest = shown.partition(" ")
        shown = f"{mean} ± {r.spread.get(metric, math.nan):.3f} {rest}".rstrip()
    return shown


def with_interval(values: dict[str, float], ci: dict[str, tuple[float, float]], metric: str) -> str:
    """As :func:`value`, of values and intervals by metric."""
    low, high = ci.get(metric, (math.nan, math.nan))
    found = number(values, metric)
    return found if found == "-" else found + ends((low, high))


def number(values: dict[str, float], metric: str, digits: int = 3) -> str:
    """The value, a dash where there is none."""
    found = values.get(metric, math.nan)
    return "-" if math.isnan(found) else f"{found:.{digits}f}"


def by_columns(
    results: Iterable[tuple[Result, Any]], metric: str | None = None
) -> list[tuple[tuple[str, ...], list[tuple[Result, Any]]]]:
    """Results (each with what belongs to it) by the metrics that are shown of their task: two with
    interval and chance, and one more, for which the ranking metric stands in if it is none of them.
    """
    out: dict[tuple[str, ...], list[tuple[Result, Any]]] = {}
    for r, more in results:
        names = metrics.names(r.task)[:3]
        if metric and metric not in names and metrics.has(r.task, metric):
            names = (*names[:2], metric)
        out.setdefault(names, []).append((r, more))
    return list(out.items())


def title(names: Sequence[str], metric: str | None) -> str:
    """What a table is ranked by."""
    return f"leaderboard, ranked by {metrics.about(metric or names[0]).label}"


def metric_heads(names: Sequence[str]) -> list[str]:
    """Heads of :func:`metric_cells`."""
    first, second, third = (metrics.about(n).label for n in names)
    third += " [95 %]" if _named(names) else ""
    return [f"{first} [95 %]", "chance", f"{second} [95 %]", "chance", third]


def metric_cells(r: Result, names: Sequence[str]) -> list[str]:
    """Two metrics with interval and chance, and the third one, with its interval where it was
    named."""
    first, second, third = names
    return [
        value(r, first), number(r.chance, first, 2), value(r, second),
        number(r.chance, second, 2),
        value(r, third) if _named(names) else number(r.metrics, third),
    ]  # fmt: skip


def _named(names: Sequence[str]) -> bool:
    """Whether the third metric was asked for by name, and is not that of a task."""
    return all(tuple(names) != metrics.names(task)[:3] for task in metrics.TASKS)


def cells(
    row: Row, shown: Sequence[Result] | Among, names: Sequence[str], spent: bool, noted: Footnotes
) -> list[str]:
    """All cells of a row but the data set."""
    r = row.result
    return [
        row.place, backbone_name(r, shown), probe_name(r), setting(r), *metric_cells(r, names),
        uncertainty.size(r) + noted.marks(r), *(cost.cells(r) if spent else ()),
    ]  # fmt: skip


def board_heads(names: Sequence[str], spent: bool, rank: str = "rank") -> list[str]:
    """The heads of a table with the data set, then :func:`cells`."""
    heads = ["data", rank, "backbone", "probe", "setting", *metric_heads(names), "test (patients)"]
    return [*heads, *(cost.HEADS if spent else ())]
