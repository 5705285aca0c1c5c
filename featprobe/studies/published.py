"""Published numbers, and which cell of a leaderboard each is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featprobe.core.errors import InputError
from featprobe.core.yaml_file import at, checked
from featprobe.leaderboard.cells import Cell
from featprobe.metrics import measures as metrics
from featprobe.studies.decoding import Decoding

MEANS = {"pooled_dice_jaccard": ("pooled_dice", "pooled_jaccard")}  # of metrics, as RAD's
CELL = {
    "data": str, "model": str, "probe": str, "shots": int, "subset": float, "named": str,
}  # fmt: skip
TABLE = CELL | {
    "table": str, "metric": str, "percent": bool, "columns": Sequence[Any],
    "rows": Mapping[str, Sequence[Any]],
}  # fmt: skip


@dataclass(frozen=True)
class Published:
    """A number of a table, as a fraction, and the cell that it is of.

    ``shots``: None for the whole of train; ``subset``: the part of train that there is. ``named``:
    the one of several cells' data sets that it is of exactly; it is shown beside the others too,
    which say so.
    """

    table: str
    metric: str
    value: float
    data: str
    model: str
    probe: str
    shots: int | None = None
    subset: float = 1.0
    named: str = ""

    def exact(self, cell: Cell) -> bool:
        """Whether it is of the very data set of a cell, not of another size of it."""
        return self.named in ("", cell.data.name)

    def is_decoded(self, d: Decoding, shots: int | None) -> bool:
        """Whether a result of a decoding with so many shots stands beside it."""
        named = self.data in (d.data.name, d.data.text) and self.model in d.model.names
        return named and self.probe == d.preset and self.shots == shots

    def is_of(self, cell: Cell, shots: int | None) -> bool:
        """Whether a result of a cell with so many shots stands beside it."""
        called = cell.called
        return (
            self.data in called["data"]
            and self.model in called["model"]
            and self.probe in (*called["probe"], *called["finetune"])
            and self.shots == shots
            and self.subset == cell.protocol.subset
            and cell.protocol.kind == ("full" if shots is None else "fewshot")
        )


def label(metric: str) -> str:
    """What a metric, or a mean of several, is called; :class:`UnknownName` for another."""
    if metric in MEANS:
        return "mean of " + " and ".join(metrics.about(m).label for m in MEANS[metric])
    return metrics.about(metric).label


def numbers_of(tables: Sequence[Any], place: str) -> list[Published]:
    """The numbers of tables as a study's file has them.

    A table says ``table`` (its name), ``metric``, and what all of its cells are of (``data``,
    ``model``, ``probe``, ``shots``, ``subset``, ``named``); ``columns``: what those of a column are
    of; ``rows``: model -> a number for each column, null where none was published; ``percent``:
    numbers are in per cent. Raises :class:`InputError` with the place.
    """
    out: list[Published] = []
    for i, entry in enumerate(tables, 1):
        here = f"{place}, entry {i}"
        if not isinstance(entry, dict):
            raise InputError(f"{here}: a mapping is needed, with 'table', 'metric' and 'rows'")
        given = checked(entry, TABLE, here)
        for key in ("table", "metric", "columns", "rows"):
            if key not in given:
                raise InputError(f"{here}: {key!r} is needed")
        with at(here):
            label(given["metric"])
        columns = [checked(c, CELL, f"{here}: columns") for c in given["columns"]]
        common = {k: v for k, v in given.items() if k in CELL}
        scale = 100 if given.get("percent") else 1
        for model, values in given["rows"].items():
            if len(values) != len(columns):
                raise InputError(
                    f"{here}: {model} has {len(values)} numbers for {len(columns)} columns"
                )
            for column, value in zip(columns, values):
                if value is None:
                    continue
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    raise InputError(f"{here}: {model}: {value!r} is no number")
                cell = {"model": model} | common | column
                if lost := [k for k in ("data", "probe") if k not in cell]:
                    raise InputError(f"{here}: {lost[0]!r} is needed, of the table or the column")
                out.append(Published(given["table"], given["metric"], value / scale, **cell))
    return out
