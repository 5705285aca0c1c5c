"""What a study of this size can find, and the size that the next one needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from featprobe.core.jsonvalues import plain
from featprobe.leaderboard.compare import Comparison
from featprobe.leaderboard.row_labels import backbone_name, probe_name, setting
from featprobe.leaderboard.terminal import make_table, show
from featprobe.metrics import measures as metrics
from featprobe.stats.power import MOST, POWER


@dataclass(frozen=True)
class Plan:
    """Of one comparison, at 80 % power: the smallest true difference that is found by itself, and
    in its family; with a ``wanted`` one the chance to find it and the patients it takes, None where
    no number is enough."""

    comparison: Comparison
    alone: float
    family: float
    wanted: float | None = None
    chance: float = math.nan
    patients: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        c = self.comparison
        out: dict[str, Any] = {
            "power": POWER, "patients": c.spread.n, "sd_of_patients": c.spread.deviation,
            "detectable": self.alone, "detectable_in_family": self.family,
        }  # fmt: skip
        if self.wanted is not None:
            out |= {"difference": self.wanted, "chance": self.chance, "needed": self.patients}
        return dict(plain(out))


def plan(made: Sequence[Comparison], wanted: float | None = None) -> list[Plan]:
    """A plan for each comparison.

    Raises :class:`InputError` for a wanted difference of zero.
    """
    out = []
    for c in made:
        alone, family = replace(c.spread, critical=math.nan), c.spread
        more = () if wanted is None else (wanted, family.power(wanted), family.needed(wanted))
        out.append(Plan(c, alone.detectable(), family.detectable(), *more))
    return out


def print_plan(plans: Sequence[Plan]) -> None:
    """In the terminal, a row for each comparison."""
    wanted = plans[0].wanted
    heads = ["data", "metric", "result", "against", "patients", "sd by patient", "detectable",
             "in its family"]  # fmt: skip
    heads += [] if wanted is None else [f"power at {wanted:g}", f"patients for {wanted:g}"]
    table = make_table("for the next study", heads)
    shown = [r for p in plans for r in (p.comparison.one, p.comparison.other)]
    for p in plans:
        c = p.comparison
        cells = [
            c.one.dataset, metrics.about(c.metric).label,
            *(f"{backbone_name(r, shown)}, {probe_name(r)} {setting(r)}" for r in (c.one, c.other)),
            str(c.spread.n), _text(c.spread.deviation), _text(p.alone), _text(p.family),
        ]  # fmt: skip
        if wanted is not None:
            none = "-" if math.isnan(p.chance) else f"over {MOST:,}"
            cells += [
                "-" if math.isnan(p.chance) else f"{p.chance:.2f}",
                none if p.patients is None else f"{p.patients:,}",
            ]
        table.add_row(*cells)
    show(table)
    print(
        f"detectable: the smallest true difference that a study with these patients finds with "
        f"power {POWER:g} at p < 0.05, alone and in its family of comparisons."
    )
    if any(c.spread.tries for c in (p.comparison for p in plans)):
        print("Few-shot: as many tries are assumed; what draws add does not shrink with patients.")


def _text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
