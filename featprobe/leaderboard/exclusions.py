"""Cells that a leaderboard's file leaves out.

    exclude:
      - {model: sam_vitb, data: [nih_chestxray14, chexpert]}
      - {protocol: fewshot, probe: mlp}

A cell is left out where it is all that an entry says; of several values of a key it is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.yaml_file import checked
from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.yaml_schema import listed

NAMES = str | Sequence[str]
EXCLUDE = {
    "data": NAMES, "model": NAMES, "probe": NAMES, "finetune": NAMES, "protocol": NAMES,
    "view": NAMES, "image_size": int | Sequence[int], "subset": float | Sequence[float],
    "seed": int | Sequence[int],
}  # fmt: skip


@dataclass(frozen=True)
class Exclusion:
    """An entry: what a cell must be to be left out."""

    wanted: Mapping[str, Sequence[Any]]
    place: str

    def holds(self, cell: Cell) -> bool:
        """Whether the cell is all that it says."""
        there = cell.called
        return all(set(values) & set(there[key]) for key, values in self.wanted.items())


def make_exclusion(entry: Mapping[str, Any], place: str) -> Exclusion:
    """The exclusion of an entry; errors name the place."""
    given = checked(entry, EXCLUDE, place)
    return Exclusion({k: listed(v) for k, v in given.items()}, place)


def kept(cells: Sequence[Cell], exclusions: Iterable[Exclusion]) -> list[Cell]:
    """The cells that no exclusion holds for.

    Raises :class:`UnknownName` for a value that no cell has, :class:`InputError` for an exclusion
    that holds for none: both are misspelt more often than meant.
    """
    out = list(cells)
    for exclusion in exclusions:
        for key, values in exclusion.wanted.items():
            there = dict.fromkeys(v for cell in cells for v in cell.called[key])
            for value in values:
                if value not in there:
                    known = [str(v) for v in there]
                    raise UnknownName(
                        f"{exclusion.place}: no cell has {key} {value!r}."
                        f"{nearest(str(value), known)} There: {', '.join(known) or 'none'}"
                    )
        if not any(exclusion.holds(cell) for cell in cells):
            raise InputError(f"{exclusion.place}: no cell is all of this, so nothing is left out")
        out = [cell for cell in out if not exclusion.holds(cell)]
    return out
