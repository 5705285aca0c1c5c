"""Results as a table: what an interpreter and a notebook show of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, SupportsIndex, overload

from featprobe.core.display import html_table, text_table
from featprobe.evaluation.results import Result

HEADS = ("data", "backbone", "probe", "setting", "metric", "value [95 %]", "chance", "test")
MOST = 60  # rows


class Results(list[Result]):
    """A list of results that shows itself as a table.

    One row a result, by the metric that ranks its task; the one that val chose among several is
    marked. Slices and sums are Results too.
    """

    def to_frame(self) -> Any:
        """A pandas DataFrame, one row a metric of each result: what
        :meth:`~featprobe.evaluation.results.Result.to_frame` has, and its ``view``, ``setting`` and
        whether val ``selected`` it."""
        import pandas as pd

        frames = [
            r.to_frame().assign(view=r.view, setting=chosen(r), selected=r.selected) for r in self
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def rows(self) -> list[tuple[str, ...]]:
        """The cells of each result under :data:`HEADS`."""
        several = any(not r.selected for r in self)
        return [row(r, several) for r in self]

    def __repr__(self) -> str:
        if not self:
            return "Results([])"
        more = len(self) - MOST
        return text_table(HEADS, self[:MOST].rows()) + (f"\nand {more} more" if more > 0 else "")

    def _repr_html_(self) -> str:
        return html_table("", HEADS, self.rows())

    @overload
    def __getitem__(self, at: SupportsIndex) -> Result: ...
    @overload
    def __getitem__(self, at: slice) -> Results: ...
    def __getitem__(self, at: SupportsIndex | slice) -> Result | Results:
        found = super().__getitem__(at)
        return found if isinstance(found, Result) else Results(found)

    def __add__(self, other: Iterable[Result]) -> Results:  # type: ignore[override]
        return Results([*self, *other])


def row(r: Result, several: bool = False) -> tuple[str, ...]:
    """The cells of a result under :data:`HEADS`; ``several``: mark it where val chose it."""
    metric = next(iter(r.metrics), "")
    mark = " *" if several and r.selected else ""
    return (
        r.dataset, r.backbone, r.probe, chosen(r) + mark, metric, r.value(metric),
        f"{r.chance.get(metric, math.nan):.3f}", str(r.sizes.get("test", "")),
    )  # fmt: skip


def chosen(r: Result) -> str:
    """What val chose, a view among several too, or the number of shots or folds."""
    if r.shots is not None:
        unit = "patients" if r.settings.get("by") == "patient" else "shots"
        return f"{r.shots} {unit} x {r.settings['tries']}"
    if r.protocol == "cv":
        return f"{r.settings['folds']} folds"
    if "repeats" in r.settings:
        return f"{r.settings['repeats']} splits"
    parts = [f"{r.view} {r.pool}" if r.pool != "mean" else r.view] if "views" in r.settings else []
    for key in r.searched or [k for k in ("k", "Cs") if k in r.params]:
        name, value = key.split("__")[-1], r.params.get(key)
        if value is not None:
            text = f"{value:.3g}" if isinstance(value, float) else str(value)
            parts.append(f"{name.removesuffix('s')}={text}")
    return ", ".join(parts)
