"""A leaderboard as records: one a row, full precision, every metric."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from featprobe.core.spreadsheet import Writer
from featprobe.leaderboard import cost, uncertainty
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.row_labels import probe_name, setting
from featprobe.metrics import measures as metrics

_PLACE = ("rank", "rank_low", "rank_high", "metric", "value", "not_worse", "margin", "pairs",
          "untested")  # fmt: skip


def records(board: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """The heads, and the values of each row; empty text where a result lacks a metric."""
    heads = ["data", "league", *_PLACE, "backbone", "random", "overlap", "probe", "setting",
             "view", "pool"]  # fmt: skip
    names = metrics.in_order(n for row in board for n in row.result.metrics)
    for n in names:
        heads += [n, f"{n}_low", f"{n}_high", f"{n}_chance", f"{n}_spread"]
    gaps = ("source", "gap", "gap_low", "gap_high") if any(r.result.gap for r in board) else ()
    heads += ["train", "val", "test", "test_patients", "split", "id", *cost.FIELDS, "notes",
              *uncertainty.FIELDS, "seeds", *gaps]  # fmt: skip
    rows = []
    for row in board:
        r = row.result
        values: list[Any] = [
            r.dataset, row.apart, *_place(row), r.backbone, r.random, r.overlap, probe_name(r),
            setting(r), r.view, r.pool,
        ]  # fmt: skip
        for n in names:
            values += [r.metrics.get(n, ""), *r.ci.get(n, ("", "")), r.chance.get(n, "")]
            values.append(r.spread.get(n, ""))
        values += [r.sizes[n] for n in ("train", "val", "test", "test_groups")]
        values += [r.split["origin"], r.id, *(r.cost.get(n, "") for n in cost.FIELDS)]
        values += ["; ".join(r.notes), *(uncertainty.rarest(r) or [""] * 3)]
        values.append(" ".join(r.seeds) or r.settings.get("seed", ""))
        rows.append([*values, *(_gap(row) if gaps else ())])
    return heads, rows


def as_csv(board: Sequence[Row]) -> str:
    """The leaderboard as CSV."""
    out = io.StringIO()
    writer = Writer(out, "\r\n")
    heads, rows = records(board)
    for values in (heads, *rows):
        writer.writerow(values)
    return out.getvalue()


def as_frame(board: Sequence[Row]) -> Any:
    """The leaderboard as a pandas DataFrame with the columns of the CSV, missing values as NaN."""
    import pandas as pd

    heads, rows = records(board)
    empty = [[None if v == "" else v for v in values] for values in rows]
    return pd.DataFrame(empty, columns=heads).infer_objects()


def _gap(row: Row) -> list[Any]:
    """The data set trained on, and what the metric of the rank has lost since there."""
    r = row.result
    low, high = r.gap_ci.get(row.metric, ("", ""))
    return [r.settings.get("source", ""), r.gap.get(row.metric, ""), low, high]


def _place(row: Row) -> list[Any]:
    """Of the CSV: what :meth:`~featprobe.leaderboard.board.Row.to_dict` says, empty for None."""
    of = row.to_dict()
    return ["" if of[n] is None else of[n] for n in _PLACE]
