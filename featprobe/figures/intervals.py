"""Values with their intervals: of results, of classes, of subgroups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from featprobe.evaluation.results import Result
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.row_labels import Among, backbone_name, probe_name, setting
from featprobe.metrics import measures as metrics

NOWHERE = (math.nan, math.nan)


@dataclass(frozen=True)
class Value:
    """``value`` with the ends of its 95 % interval, NaN where there is none. ``first``: it may be
    the best of its league by the tests of all pairs, or is the best by value where none was made;
    ``id``: of its result."""

    label: str
    value: float
    low: float
    high: float
    first: bool = False
    id: str = ""


@dataclass(frozen=True)
class Block:
    """Values that stand together, in one metric. ``chance``: NaN where it is not known or not the
    same."""

    title: str
    metric: str
    values: list[Value]
    chance: float = math.nan


def of_board(board: Sequence[Row]) -> list[Block]:
    """A block for each league in the order of ranks; results of one league are never in another's
    ranking."""
    shown = Among(row.result for row in board)
    blocks: dict[object, Block] = {}
    for row in board:
        r = row.result
        label = ", ".join(
            filter(None, (backbone_name(r, shown), probe_name(r), setting(r)))
        )  # fmt: skip
        low, high = r.ci.get(row.metric, NOWHERE)
        chance = r.chance.get(row.metric, math.nan)
        block = blocks.setdefault(row.league, Block(row.data, row.metric, [], chance))
        block.values.append(Value(label, row.value, low, high, row.may_be_first, r.id))
    return list(blocks.values())


def of_classes(r: Result, metric: str | None = None) -> Block:
    """The metric of each class or label, with its items and patients."""
    by = metric or next((m for m in metrics.names(r.task) if _singles(r, m)), "")
    values = []
    for name in _singles(r, by):
        of = name.partition(":")[2]
        size = r.class_sizes.get(of)
        label = f"{of}, {size['items']} ({size['patients']})" if size else of
        values.append(Value(label, r.metrics[name], *r.ci.get(name, NOWHERE), id=r.id))
    return Block(_called(r), by, values)


def _singles(r: Result, metric: str) -> list[str]:
    return [n for n in r.metrics if n.startswith(f"{metric}:")]


def of_subgroups(r: Result) -> Block:
    """The ranking metric in each subgroup, after that of all test items."""
    if not r.subgroups:
        return Block(_called(r), metrics.ranking(r.task), [])
    by = r.subgroups["metric"]
    values = [Value("all", r.metrics.get(by, math.nan), *r.ci.get(by, NOWHERE), id=r.id)]
    for name, part in r.subgroups["values"].items():
        label = f"{r.subgroups['column']} {name}, {part['units']} ({part['patients']})"
        low, high = part["ci"].get(by, NOWHERE)
        values.append(Value(label, part["metrics"][by], low, high, id=r.id))
    return Block(_called(r), by, values)


def _called(r: Result) -> str:
    return ", ".join([r.dataset, backbone_name(r, [r]), f"{probe_name(r)} {setting(r)}".strip()])
