"""Tables of paired differences: terminal, Markdown, CSV."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from featprobe.core.atomic import write_text_atomic
from featprobe.core.errors import InputError, reason
from featprobe.core.spreadsheet import Writer
from featprobe.evaluation.results import Result
from featprobe.leaderboard.compare import Comparison
from featprobe.leaderboard.leagues import league
from featprobe.leaderboard.row_labels import backbone_name, probe_name, setting
from featprobe.leaderboard.table import markdown_row
from featprobe.leaderboard.terminal import make_table, show
from featprobe.metrics import measures as metrics

HEADS = (
    "data", "metric", "result", "against", "values", "difference [95 %]", "p",
    "[95 % in its family]", "p (family)",
)  # fmt: skip
_TESTS = {
    "permutation": ("permutation of whole patients between the two", "the largest of all (max-T)"),
    "delong": ("DeLong's test by patient, t quantiles", "the largest of all (max-T)"),
    "mcnemar": ("McNemar's exact test, interval of Clopper and Pearson", "Bonferroni"),
}
_FIELDS = (
    "data", "protocol", "shots", "metric", "backbone", "probe", "setting", "value",
    "against_backbone", "against_probe", "against_setting", "against_value", "difference", "low",
    "high", "p", "adjusted_low", "adjusted_high", "p_adjusted", "comparisons", "test", "id",
    "against_id",
)  # fmt: skip


def print_differences(made: Sequence[Comparison]) -> None:
    """In the terminal, a block for each family of comparisons."""
    table = make_table("paired differences", HEADS)
    last = None
    for c, cells in zip(made, rows_of(made)):
        block = (league(c.one), c.family)
        if last is not None and last != block:
            table.add_section()
        table.add_row("" if last == block else c.one.dataset, *cells)
        last = block
    show(table)
    print(*legend_of(made), sep="\n")


def markdown(made: Sequence[Comparison]) -> list[str]:
    """The lines of a Markdown table with its heading."""
    rows = [markdown_row([c.one.dataset, *cells]) for c, cells in zip(made, rows_of(made))]
    heads = [markdown_row(HEADS), "|" + " --- |" * len(HEADS)]
    legend = legend_of(made)
    return ["# Paired differences", "", *heads, *rows, "", *legend, ""]


def as_csv(made: Sequence[Comparison]) -> str:
    """A line a comparison, full precision."""
    out = io.StringIO()
    writer = Writer(out, "\r\n")
    writer.writerow(_FIELDS)
    for c in made:
        first = c.one
        shots = "" if first.shots is None else first.shots
        sides = [
            [r.backbone, probe_name(r), setting(r), v] for r, v in zip((c.one, c.other), c.values)
        ]
        joint = [c.adjusted_low, c.adjusted_high, c.adjusted, c.pairs]
        numbers = [c.difference, c.low, c.high, c.p, *joint, c.test, c.one.id, c.other.id]
        cells = [first.dataset, first.protocol, shots, c.metric, *sides[0], *sides[1], *numbers]
        undefined = [isinstance(v, float) and math.isnan(v) for v in cells]
        writer.writerow(["" if u else v for u, v in zip(undefined, cells)])
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


def rows_of(made: Sequence[Comparison]) -> list[list[str]]:
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
            " ".join(filter(None, (f"{c.difference:+.3f}", _interval(c.low, c.high)))),
            f"{c.p:.3g}",
            _interval(c.adjusted_low, c.adjusted_high) or "-",
            f"{c.adjusted:.3g}",
        ]
        for c in made
    ]


def _interval(low: float, high: float) -> str:
    """Nothing where there is none."""
    return "" if math.isnan(low) else f"[{low:+.3f}, {high:+.3f}]"


def legend_of(made: Sequence[Comparison]) -> list[str]:
    """Lines below the table: tests, families, what they do not hold."""
    test, joint = _TESTS[made[0].test]
    lines = [
        f"Interval and p: two-sided, {test}; an interval excludes 0 where its p is below 0.05.",
        f"Family: all comparisons of a block at once, {joint}; where they are with the best, all "
        "pairs, because the data say which is best.",
    ]
    sizes = {(league(c.one), c.family): c for c in made}
    lines += [
        f"{c.one.dataset}, {_protocol(c.one)}, {c.family or 'all results'}: a family of {c.pairs} "
        f"{'comparison' if c.pairs == 1 else 'comparisons'}"
        for c in sizes.values()
    ]
    if any(math.isnan(c.low) for c in made):
        lines.append("No interval: too few patients for any p below 0.05, or none differs.")
    if any(c.one.protocol == "cv" for c in made):
        lines.append(
            "Folds: p is of these fits on these patients; how fits to other patients would vary is "
            "not in it, since the training sets of folds overlap."
        )
    elif any(c.one.shots for c in made):
        lines.append("Few-shot: intervals and p speak of other draws and other patients.")
    return list(dict.fromkeys(lines))


def _protocol(r: Result) -> str:
    return r.protocol if r.shots is None else f"{r.shots} shots"
