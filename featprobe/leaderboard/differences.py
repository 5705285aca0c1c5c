"""Tables of paired differences: terminal, Markdown, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from featprobe import metrics
from featprobe.errors import InputError, reason
from featprobe.fingerprint import write_text_atomic
from featprobe.leaderboard.board import league
from featprobe.leaderboard.compare import Comparison
from featprobe.leaderboard.labels import backbone_name, probe_name, setting
from featprobe.leaderboard.table import markdown_row
from featprobe.leaderboard.terminal import make_table, show
from featprobe.results import Result

HEADS = (
    "data", "metric", "result", "against", "values", "difference [95 %]", "p", "p (Holm)",
)  # fmt: skip
_TESTS = {
    "permutation": "permutation of whole patients between the two",
    "delong": "DeLong's test by patient",
    "mcnemar": "McNemar's exact test",
}
_FIELDS = (
    "data", "protocol", "shots", "metric", "backbone", "probe", "setting", "value",
    "against_backbone", "against_probe", "against_setting", "against_value", "difference", "low",
    "high", "p", "p_holm", "test", "id", "against_id",
)  # fmt: skip


def print_differences(made: Sequence[Comparison]) -> None:
    """In the terminal, a block for each family of comparisons."""
    table = make_table("paired differences", HEADS)
    last = None
    for c, cells in zip(made, _rows(made)):
        block = (league(c.one), c.family)
        if last is not None and last != block:
            table.add_section()
        table.add_row("" if last == block else c.one.dataset, *cells)
        last = block
    show(table)
    print(*_legend(made, "each block's comparisons"), sep="\n")


def markdown(made: Sequence[Comparison]) -> list[str]:
    """The lines of a Markdown table with its heading."""
    rows = [markdown_row([c.one.dataset, *cells]) for c, cells in zip(made, _rows(made))]
    heads = [markdown_row(HEADS), "|" + " --- |" * len(HEADS)]
    legend = _legend(made, "the comparisons made together in one league")
    return ["# Paired differences", "", *heads, *rows, "", *legend, ""]


def as_csv(made: Sequence[Comparison]) -> str:
    """A line a comparison, full precision."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_FIELDS)
    for c in made:
        first = c.one
        shots = "" if first.shots is None else first.shots
        sides = [
            [r.backbone, probe_name(r), setting(r), v] for r, v in zip((c.one, c.other), c.values)
        ]
        numbers = [c.difference, c.low, c.high, c.p, c.adjusted, c.test, c.one.id, c.other.id]
        writer.writerow(
            [first.dataset, first.protocol, shots, c.metric, *sides[0], *sides[1], *numbers]
        )
    return out.getvalue()


def write(made: Sequence[Comparison], stem: Path) -> Path:
    """Write STEM-differences.csv."""
    path = stem.with_name(f"{stem.name}-differences.csv")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(path, as_csv(made))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    return path


def _rows(made: Sequence[Comparison]) -> list[list[str]]:
    """All cells but the data set."""
    shown: list[Result] = [r for c in made for r in (c.one, c.other)]
    return [
        [
            metrics.about(c.metric).label,
            *(
                f"{backbone_name(r, shown)}, {probe_name(r)} {setting(r)}".rstrip()
                for r in (c.one, c.other)
            ),
            " / ".join(f"{v:.3f}" for v in c.values),
            f"{c.difference:+.3f} [{c.low:+.3f}, {c.high:+.3f}]",
            f"{c.p:.3g}",
            f"{c.adjusted:.3g}",
        ]
        for c in made
    ]


def _legend(made: Sequence[Comparison], family: str) -> list[str]:
    return [
        "Intervals: 95 %, paired bootstrap over patients of the test set.",
        f"p: two-sided, {_TESTS[made[0].test]}; Holm over {family}.",
    ]
