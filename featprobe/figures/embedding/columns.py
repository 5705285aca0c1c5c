"""What the points of a map are coloured by: a value of each item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featprobe.datasets.groups import NO_GROUPS
from featprobe.evaluation.levels import Column as Given
from featprobe.evaluation.levels import column as looked_up
from featprobe.features.labeled_items import LabeledItems

FEW = 12  # values of a numeric column that are still classes
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Column:
    """A value of each item: of a class, or a number.

    ``codes`` (N,) int64 into ``names``, -1 where it is unknown, or ``values`` (N,) float32, NaN
    where it is unknown; one of the two is None. ``identity``: the names are those of patients or
    items, which pages show as numbers unless they are asked for. ``truth``: it is a label.
    """

    name: str
    codes: np.ndarray | None = None
    names: tuple[str, ...] = ()
    values: np.ndarray | None = None
    identity: bool = False
    truth: bool = False

    def texts(self) -> list[Any]:
        """The value of each item: its name, or a number, None where it is unknown."""
        if self.values is not None:
            return [float(v) if np.isfinite(v) else None for v in self.values]
        assert self.codes is not None
        return [self.names[c] if c >= 0 else None for c in self.codes]


def of_texts(name: str, texts: Sequence[str] | np.ndarray, **more: Any) -> Column:
    """A column of texts, "" where unknown: numbers where all are and there are more than
    :data:`FEW`, else classes, in the order of numbers or of letters."""
    values = np.asarray(texts, dtype=str)
    known = np.unique(values[values != ""])
    try:
        numbers = known.astype(float)
    except ValueError:
        numbers = None
    if numbers is not None and len(known) > FEW and not more.get("identity"):
        found = np.array([float(v) if v else np.nan for v in values], np.float32)
        return Column(name, values=found, **more)
    order = known[np.argsort(numbers, kind="stable")] if numbers is not None else known
    place = {v: i for i, v in enumerate(order.tolist())}
    codes = np.array([place.get(v, -1) for v in values.tolist()], np.int64)
    return Column(name, codes, tuple(order.tolist()), **more)


def of_items(features: LabeledItems) -> list[Column]:
    """The columns that every feature set has: its labels, split, and patients.

    Of independent labels one column each, absent or present.
    """
    out = []
    y = features.y
    if y is not None and features.task == "regression":
        out.append(Column("label", values=np.asarray(y, np.float32), truth=True))
    elif y is not None and y.ndim == 2:
        for j, name in enumerate(features.classes):
            known = np.isfinite(y[:, j].astype(float)) & (y[:, j] >= 0)
            codes = np.where(known, np.nan_to_num(y[:, j]) > 0, -1)
            out.append(Column(name, codes.astype(np.int64), (f"no {name}", str(name)), truth=True))
    elif y is not None:
        out.append(Column("label", y.astype(np.int64), tuple(features.classes), truth=True))
    if (features.split != "").any():
        out.append(of_texts("split", features.split))
    if features.items.group_origin != NO_GROUPS:
        found, first, codes = np.unique(features.groups, return_index=True, return_inverse=True)
        order = np.argsort(first)  # by appearance: numbers say nothing of the names
        names = tuple(found[order].tolist())
        out.append(Column("patient", np.argsort(order)[codes], names, identity=True))
    return out


def of_table(of: Given, features: LabeledItems, name: str | None = None) -> Column:
    """A column of a table, ``FILE:COLUMN``, or a mapping from ids.

    One whose values are ids of the items or names of their patients counts as such. Raises what
    :func:`~featprobe.evaluation.levels.column` does.
    """
    called = name or (of.rpartition(":")[2] if isinstance(of, str) else "given")
    texts = looked_up(of, features.ids)
    known = np.unique(texts[texts != ""])
    own = np.isin(known, features.ids) | np.isin(known, features.groups)
    return of_texts(called, texts, identity=bool(len(known) > FEW and own.mean() > 0.5))
