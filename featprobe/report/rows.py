"""The rows of the table and their details, as JSON of few bytes a row."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from featprobe.evaluation.results import Result
from featprobe.leaderboard import cost
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.columns import board_heads, by_columns, cells, title
from featprobe.leaderboard.footnotes import Footnotes
from featprobe.leaderboard.row_labels import Among
from featprobe.metrics import measures as metrics
from featprobe.report.details import blocks
from featprobe.report.privacy import Hide

SINGLES = 500  # rows: of more, details leave out the metrics of single classes


class Strings:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self._at: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._at.setdefault(text, len(self._at))

    @property
    def texts(self) -> list[str]:
        """In the order of their numbers."""
        return list(self._at)


class Lists:
    """Lists of numbers by number, each once."""

    def __init__(self) -> None:
        self._at: dict[tuple[Any, ...], int] = {}

    def __call__(self, of: tuple[Any, ...]) -> int:
        return self._at.setdefault(of, len(self._at))

    @property
    def lists(self) -> list[tuple[Any, ...]]:
        """In the order of their numbers."""
        return list(self._at)


def data(
    board: Sequence[Row], metric: str | None, known: Mapping[str, Mapping[str, float]], hide: Hide
) -> dict[str, Any]:
    """What the script of the page reads.

    ``strings``: all texts; ``blocks``: [title, name, value, name, value, ...] of details;
    ``tables``: for each kind of task ``title``, ``heads``, ``metric`` (the head of the column that
    ranks), ``names`` of the metrics of details, and ``leagues``, each with its ``name`` and
    ``rows`` [cells, [value, low, high], may be first, blocks, metrics]. The metrics are value, low
    and high in turn as the table would print them, in thousandths, null where there is none.
    """
    text, block = Strings(), Lists()
    shown = [row.result for row in board]
    noted, among = Footnotes(shown), Among(shown)
    tables = []
    for names, part in by_columns(((row.result, row) for row in board), metric):
        spent = cost.known(r for r, _ in part)
        every = _metrics(part, len(board) <= SINGLES)
        leagues = []
        for _, rows in groupby((row for _, row in part), key=lambda row: row.league):
            members = list(rows)
            leagues.append({
                "name": text(members[0].data),
                "data": text(members[0].result.dataset),
                "rows": [
                    [
                        [text(c) for c in cells(row, among, names, spent, noted)],
                        [_short(v) for v in (row.value, *_ends(row.result, row.metric))],
                        int(row.may_be_first),
                        [
                            block((text(head), *(text(t) for pair in pairs for t in pair)))
                            for head, pairs in blocks(
                                row.result, known.get(row.result.id, {}), hide
                            )
                        ],
                        _values(row.result, every),
                    ]
                    for row in members
                ],
            })  # fmt: skip
        by = part[0][1].metric
        tables.append({
            "title": title(names, metric), "heads": board_heads(names, spent),
            "metric": metrics.about(by).label, "names": [metrics.label(n) for n in every],
            "leagues": leagues,
        })  # fmt: skip
    return {"strings": text.texts, "blocks": block.lists, "tables": tables}


def as_json(value: Any) -> str:
    """JSON for a script element: nothing in it ends the element or the line."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for c, instead in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"),
                       ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):  # fmt: skip
        text = text.replace(c, instead)
    return text


def _metrics(part: Sequence[tuple[Result, Row]], singles: bool) -> list[str]:
    """Those that any row has, in the order of the tables, then those of single classes."""
    there = dict.fromkeys(n for r, _ in part for n in r.metrics)
    whole = metrics.in_order(there)
    return whole + [n for n in there if ":" in n] * singles


def _values(r: Result, names: Sequence[str]) -> list[int | None]:
    return [_thousandths(v) for n in names for v in (r.metrics.get(n, math.nan), *_ends(r, n))]


def _ends(r: Result, metric: str) -> tuple[float, float]:
    return r.ci.get(metric, (math.nan, math.nan))


def _thousandths(value: float) -> int | None:
    """As three digits behind the point are printed."""
    return int(f"{value:.3f}".replace(".", "")) if math.isfinite(value) else None


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
