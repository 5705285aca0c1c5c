"""Levels at which scores are reported (item, study, patient), and subgroups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, MissingPath, nearest
from featprobe.core.paths import expanded
from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import HOW, ItemScores
from featprobe.stats.intervals import intervals
from featprobe.stats.resampling import bootstrap

NAMES = ("item", "study", "patient")
MOST = 50  # values of a subgroup column: more are numbers, not subgroups
Column = str | Mapping[str, str]


@dataclass(frozen=True)
class Level:
    """Unit of the metrics: an item, or a study or patient with its scores joined.

    ``how``: ``mean`` or ``max`` of the scores of its items. ``of``, for studies: the study of each
    item, as a mapping from ids or as ``FILE:COLUMN`` (see :func:`column`). Targets are joined as in
    :meth:`~featprobe.metrics.item_scores.ItemScores.by_unit`. Resampling is by patient at every
    level.
    """

    name: str = "item"
    how: str = "mean"
    of: Column | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise InputError(
                f"level {self.name!r} is none of {', '.join(NAMES)}.{nearest(self.name, NAMES)}"
            )
        if self.how not in HOW:
            raise InputError(f"scores of a unit are joined by {' or '.join(HOW)}, not {self.how!r}")
        if (self.of is None) == (self.name == "study"):
            if self.of is None:
                raise InputError(
                    "level 'study' needs to know the study of each item: give a table as "
                    "--study FILE:COLUMN"
                )
            raise InputError(f"a table of studies is for level 'study', not {self.name!r}")

    def to_dict(self) -> dict[str, str]:
        """Settings to record in a Result; empty at the level of items."""
        if self.name == "item":
            return {}
        by = {"study": _named(self.of)} if self.of is not None else {}
        return {"level": self.name, "level_by": self.how, **by}


@dataclass(frozen=True)
class LevelReading:
    """A level and a subgroup column, looked up for the items of one test set.

    ``unit`` (N,): the study or patient of each item, None at the level of items. ``subgroup`` (N,):
    the value of the column ``name``, "" where it has none; None without subgroups.
    """

    level: Level
    unit: np.ndarray | None = None
    name: str = ""
    subgroup: np.ndarray | None = None

    def reported(self, scored: ItemScores) -> ItemScores:
        """Scores joined to the level of the metrics."""
        return scored if self.unit is None else scored.by_unit(self.unit, self.level.how)

    def subgroups(self, scored: ItemScores, resamples: int, seed: int) -> dict[str, Any]:
        """Compute metrics of each subgroup, with sizes, intervals and the worst one named.

        At a level above items the scores of a unit are joined over its items in the subgroup.
        Returns ``column``, ``without`` (how many items have no value), ``metric`` and ``worst``
        (the value where that metric is worst, None where it is nowhere defined), and ``values``:
        value -> ``units``, ``patients``, ``metrics``, ``ci``, ``notes`` (on intervals). Empty
        without a column.
        """
        if self.subgroup is None:
            return {}
        names, ranking = metrics.names(scored.task), metrics.ranking(scored.task)
        values: dict[str, dict[str, Any]] = {}
        for value in np.unique(self.subgroup[self.subgroup != ""]):
            keep = self.subgroup == value
            unit = None if self.unit is None else self.unit[keep]
            part = LevelReading(self.level, unit).reported(scored.only(keep))
            boot = bootstrap(part, wanted=names, resamples=resamples, seed=seed)
            reached = part.mean(names)
            found = intervals(part, reached, boot)
            values[str(value)] = {
                "units": len(part.ids),
                "patients": part.patients,
                "metrics": reached,
                "ci": found.ci,
                "notes": found.notes,
            }
        sign = 1 if metrics.about(ranking).higher else -1
        signed = {v: sign * g["metrics"][ranking] for v, g in values.items()}
        defined = {v: r for v, r in signed.items() if not np.isnan(r)}
        return {
            "column": self.name,
            "without": int((self.subgroup == "").sum()),
            "metric": ranking,
            "worst": min(defined, key=defined.__getitem__) if defined else None,
            "values": values,
        }


def read(level: str | Level, subgroups: Column | None, items: ItemScores) -> LevelReading:
    """Look up units and subgroups for the items of a test set, which may have no scores yet.

    Raises :class:`InputError` for units whose items disagree in target or patient, and for a column
    with more than :data:`MOST` values.
    """
    chosen = Level(level) if isinstance(level, str) else level
    unit = None
    if chosen.name == "patient":
        unit = items.groups
    elif chosen.of is not None:
        unit = column(chosen.of, items.ids)
        if (unit == "").any():
            raise InputError(
                f"{_named(chosen.of)}: {int((unit == '').sum())} test items have no study, first "
                f"{items.ids[unit == ''][0]}"
            )
    reading = LevelReading(chosen, unit)
    reading.reported(items)
    if subgroups is None:
        return reading
    values = column(subgroups, items.ids)
    found = len(np.unique(values))
    if found > MOST:
        raise InputError(
            f"{_named(subgroups)} has {found} different values; subgroups are at most {MOST}: put "
            "numbers into ranges first"
        )
    return LevelReading(chosen, unit, _named(subgroups), values)


def column(of: Column, ids: np.ndarray) -> np.ndarray:
    """(N,) text of each item, "" where there is none.

    ``of``: a mapping from ids, or ``FILE:COLUMN`` of a CSV, TSV or Parquet table, whose ids are in
    the column ``id``, or that of the file paths, or the first one.

    Raises :class:`MissingPath`, :class:`UnknownName` for a column that the table lacks and
    :class:`InputError` where no id is found.
    """
    file, values = _read(of) if isinstance(of, str) else ("the mapping", of)
    out = np.array([values.get(str(i), "") for i in ids])
    if len(ids) and not (out != "").any():
        example = next(iter(values), "none")
        raise InputError(
            f"{file} has none of the items: its ids are like {example!r}, those of the data set "
            f"like {str(ids[0])!r}"
        )
    return out


def _read(of: str) -> tuple[str, Mapping[str, str]]:
    from featprobe.datasets.columns import PATHS, named, require_columns
    from featprobe.datasets.texts import read_table

    file, _, name = of.rpartition(":")
    if not file:
        raise InputError(f"{of!r}: a column of a table is written FILE:COLUMN")
    path = expanded(file)
    if not path.is_file():
        raise MissingPath(f"{path}: no such table (of {of!r}, written FILE:COLUMN)")
    table = read_table(path)
    require_columns(path, table.columns, [name])
    key = next(iter(named(table.columns, ("id", *PATHS))), table.columns[0])
    ids, values = (table[c].str.strip() for c in (key, name))
    first = dict(zip(reversed(ids), reversed(values)))
    differs = [i for i, v in zip(ids, values) if first[i] != v]
    if differs:
        raise InputError(f"{path}: {differs[0]!r} has two values in {name!r}")
    return str(path), first


def _named(of: Column | None) -> str:
    """The column by name; where the file lies is nobody's business in a table of results."""
    return of.rpartition(":")[2] if isinstance(of, str) else "given"
