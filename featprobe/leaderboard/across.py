"""Models over several data sets: one table for each protocol, complete, and what was kept out."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from featprobe.evaluation.results import Result
from featprobe.leaderboard.board import sortable
from featprobe.leaderboard.leagues import identity, leagues
from featprobe.leaderboard.row_labels import SEEN, Among, backbone_name, probe_name, unusual
from featprobe.metrics import measures as metrics

# what no two data sets can share; all else of the identity is the protocol
OF_DATA = ("task", "split version", "split", "draws", "labels", "seed")
Protocol = tuple[str, ...]


@dataclass(frozen=True)
class Across:
    """K models on N data sets under one protocol.

    ``protocol``: in words; ``metric``: of each data set. ``cells`` [k][n]: the results of a model
    on a data set, one for each seed, the same seeds and splits for all models. ``values`` (K, N):
    their means; ``signed``: the same with more being better. ``left_out``: models, data sets and
    cells that are not comparable, in sentences.
    """

    protocol: str
    models: tuple[str, ...]
    sets: tuple[str, ...]
    metric: tuple[str, ...]
    cells: list[list[list[Result]]]
    values: np.ndarray
    left_out: list[str] = field(default_factory=list)

    @property
    def signed(self) -> np.ndarray:
        sign = [1.0 if metrics.about(m).higher else -1.0 for m in self.metric]
        return self.values * sign

    @property
    def common(self) -> str | None:
        """The metric of all data sets; None where there are several, of which no mean is taken."""
        return self.metric[0] if len(set(self.metric)) == 1 else None


def across(
    results: Sequence[Result], metric: str | None = None, over: Collection[str] = ()
) -> list[Across]:
    """A table for each protocol under which two models meet on two data sets or more.

    ``metric``: None for that of each task. ``over``: as ``across`` of
    :func:`~featprobe.leaderboard.leagues.league`. Of several splits or labels of a data set those
    count that most models have; other cells are not comparable. Then the model or the data set (a
    seed of it) that lacks the largest share is left out, until every model has every cell: ranks
    over incomplete tables would depend on who is missing where.
    """
    by: dict[Protocol, list[Result]] = {}
    for members in leagues(results, over).values():
        by.setdefault(_protocol(members[0], over), []).extend(members)
    named = {key: _words(key, by) for key in by}
    made = (_table(named[key], members, metric, over) for key, members in sorted(by.items()))
    return [t for t in made if t is not None]


def competitor(r: Result, among: Sequence[Result] | Among) -> str:
    """What is the same thing on every data set: backbone, probe, and what is unusual of it."""
    backbone = backbone_name(r, among).removesuffix(f" {SEEN}")
    return ", ".join([backbone, " ".join([probe_name(r), *unusual(r)])])


def _protocol(r: Result, over: Collection[str]) -> Protocol:
    same = {k: v for k, v in identity(r).items() if k not in OF_DATA and k not in over}
    return *same.values(), "" if r.shots is None else f"{r.shots} shots"


def _joined(r: Result, over: Collection[str]) -> tuple[str, ...]:
    """What tells models apart that only joining their leagues has brought together."""
    found = identity(r)
    return tuple(found[k] for k in over if k != "seed")


def _words(key: Protocol, others: Collection[Protocol]) -> str:
    """What tells a protocol from the others; its first word where there is one alone."""
    differ = [i for i in range(len(key)) if len({o[i] for o in others}) > 1]
    return ", ".join(filter(None, (key[i] for i in {0: 0, **dict.fromkeys(differ)})))


def _table(
    protocol: str, members: Sequence[Result], metric: str | None, over: Collection[str]
) -> Across | None:
    found, notes = _columns(members, metric, over)
    heads = list(found)
    rows = sorted({name for column in found.values() for name in column})
    there = np.array([[name in found[h] for h in heads] for name in rows], dtype=bool)
    keep, kept = _complete(there.reshape(len(rows), len(heads)))
    notes += [f"{rows[k]}: not on all data sets" for k in range(len(rows)) if k not in keep]
    notes += [f"{_head(heads[n])}: without some models" for n in range(len(heads)) if n not in kept]
    models = [rows[k] for k in keep]
    grouped = [
        (name, list(columns))
        for name, columns in groupby((heads[n] for n in kept), key=lambda h: h[0])
    ]
    if len(models) < 2 or len(grouped) < 2:
        return None
    cells = [[[found[h][m] for h in columns] for _, columns in grouped] for m in models]
    by = [metric or metrics.ranking(cells[0][n][0].task) for n in range(len(grouped))]
    values = np.array([
        [np.mean([r.metrics[by[n]] for r in row[n]]) for n in range(len(grouped))] for row in cells
    ])  # fmt: skip
    sets = tuple(name for name, _ in grouped)
    return Across(protocol, tuple(models), sets, tuple(by), cells, values, notes)


Column = tuple[str, int]  # data set and seed


def _columns(
    members: Sequence[Result], metric: str | None, over: Collection[str]
) -> tuple[dict[Column, dict[str, Result]], list[str]]:
    """By data set and seed the results of its largest league by :func:`competitor`; what is not of
    the largest one."""
    found: dict[Column, dict[str, Result]] = {}
    notes = []
    for key, of in sorted(leagues(members, over).items()):
        # several of one name (only their chosen settings differ): the last counts, as in a cell
        alike: dict[tuple[str, ...], list[Result]] = {}
        for r in of:
            alike.setdefault(_joined(r, over), []).append(r)
        named = {
            ", ".join(filter(None, (competitor(r, among), *more))): r
            for more, there in alike.items() for among in [Among(there)] for r in there
            if not math.isinf(sortable(r, metric or metrics.ranking(r.task)))
        }  # fmt: skip
        at = (key[0], int(of[0].settings.get("seed") or 0))
        if len(named) > len(found.get(at, {})):
            named, found[at] = found.get(at, {}), named
        notes += [f"{m} on {_head(at)}: not comparable, other split or labels" for m in named]
    return dict(sorted(found.items())), notes


def _head(column: Column) -> str:
    name, seed = column
    return f"{name}, seed {seed}" if seed else name


def _complete(there: np.ndarray) -> tuple[list[int], list[int]]:
    """Rows and columns of which nothing is missing, by leaving out the emptiest one in turn."""
    rows, columns = list(range(there.shape[0])), list(range(there.shape[1]))
    while rows and columns and not (part := there[np.ix_(rows, columns)]).all():
        lacking = (1 - part.mean(1), 1 - part.mean(0))
        if lacking[0].max() >= lacking[1].max():
            rows.pop(int(lacking[0].argmax()))
        else:
            columns.pop(int(lacking[1].argmax()))
    return rows, columns
