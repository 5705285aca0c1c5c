"""Names of the parts of a split, in a column of a table or as folders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.columns import SPLITS, named, require_columns
from featprobe.datasets.read_options import ReadOptions

if TYPE_CHECKING:
    import pandas

# What is certain; the first three are also what a split file holds.
NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_LIKELY = re.compile(
    r"(?i)(^|[^a-z])(train|training|val|valid|validate|validation|test|testing|dev|devel|"
    r"development|hold[ _-]?out|held[ _-]?out|eval|evaluation|tune|tuning|tst|trn)([^a-z]|set|$)"
)


def is_part(name: str) -> bool:
    """Whether a name is that of a part: train, val, test in the usual spellings."""
    return name.strip().lower() in NAMES


def is_likely_part(name: str) -> bool:
    """Whether a name may be that of a part: ``dev``, ``holdout``, ``external_test``."""
    return not is_part(name) and _LIKELY.search(name) is not None


def part_of(name: str, reading: ReadOptions) -> str | None:
    """train, val, test or none for a name, None where neither the user nor custom says."""
    notes = name.strip()
    if notes in reading.split_map:
        return reading.split_map[notes]
    return NAMES.get(notes.lower())


def way_out(names: Sequence[str]) -> str:
    """Describe the option that maps names of parts, for a message."""
    return " ".join(f"--split-map '{n}'=train|val|test|none" for n in names[:3])


def split_column(
    path: Path, table: pandas.DataFrame, reading: ReadOptions, special: Sequence[str]
) -> tuple[np.ndarray | None, str, list[str], list[str]]:
    """The part of each row (``none``: left out), its column, notes and warnings.

    The column asked for, else one of a usual name, else one that holds nothing but names of parts.
    A column of a usual name that holds none (folds 0 to 4) is no split, which is a warning. Raises
    :class:`InputError` for values that are no part where others are, with the way out.
    """
    if reading.bare or reading.split_column == "none":
        return None, "", [], []
    requested = reading.split_column
    if requested is not None:
        require_columns(path, table, [requested])
    others = [c for c in table.columns if c not in special]
    usual = [requested] if requested else named(others, SPLITS)
    found = usual[0] if usual else next((c for c in others if _is_split(table[c])), None)
    if found is None:
        if reading.split_map:
            raise InputError(f"{path}: --split-map: no column of a split; name it: --split-column")
        return None, "", [], []
    counts = Counter(str(v).strip() for v in table[found])
    parts = {v: part_of(v, reading) for v in counts}
    odd = [v for v, p in parts.items() if p is None]
    unused = sorted(set(reading.split_map) - set(counts))
    if unused:
        raise InputError(
            f"{path}: --split-map {unused[0]!r}: no such value in column {found!r}, which holds "
            f"{', '.join(map(repr, list(counts)[:8]))}"
        )
    if len(odd) == len(counts) and not requested:
        if set(counts) == {""}:
            return None, "", [], []
        values = ", ".join(map(repr, sorted(counts)[:8]))
        return None, "", [], [
            f"column {found!r} holds {values}: no parts of a split, so it is not used; "
            f"--split-column {found} {way_out(sorted(counts))} makes it one"
        ]  # fmt: skip
    if odd:
        row = next(i for i, v in enumerate(table[found]) if str(v).strip() == odd[0])
        raise InputError(
            f"{path}: row {row + 2}: split {odd[0]!r} is none of train, val, test; say "
            f"{way_out(odd)}, or --split-column none"
        )
    values_of = np.array([str(parts[str(v).strip()]) for v in table[found]])
    notes = [f"column {found!r}: {', '.join(f'{v!r} is {p}' for v, p in parts.items() if v != p)}"]
    return values_of, found, notes if any(v != p for v, p in parts.items()) else [], []


def _is_split(column: pandas.Series) -> bool:
    values = {str(v).strip().lower() for v in column.unique()}
    return len({NAMES[v] for v in values if v in NAMES}) > 1 and values <= set(NAMES)
