"""Tables of Results: terminal, Markdown, CSV."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, reason
from featprobe.core.fingerprint import try_folder, write_text_atomic
from featprobe.core.shown import ends
from featprobe.core.spreadsheet import Writer
from featprobe.evaluation.results import Result
from featprobe.leaderboard import cost, uncertainty
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.footnotes import Footnotes
from featprobe.leaderboard.rank_legend import legend
from featprobe.leaderboard.row_labels import SEEN, backbone_name, probe_name, setting
from featprobe.leaderboard.terminal import make_table, show
from featprobe.leaderboard.threshold_metrics import threshold_metrics
from featprobe.metrics import measures as metrics

_PLACE = ("rank", "rank_low", "rank_high", "metric", "value", "not_worse", "margin", "pairs",
          "untested")  # fmt: skip
RANDOM = "random: weights drawn from a seed, not pretrained"


def value(r: Result, metric: str) -> str:
    """``0.812 [0.770, 0.851]``, with a dash where the metric is not defined or not there."""
    return _with_interval(r.metrics, r.ci, metric)


def _with_interval(
    values: dict[str, float], ci: dict[str, tuple[float, float]], metric: str
) -> str:
    low, high = ci.get(metric, (math.nan, math.nan))
    found = _number(values, metric)
    return found if found == "-" else found + ends((low, high))


def _number(values: dict[str, float], metric: str, digits: int = 3) -> str:
    found = values.get(metric, math.nan)
    return "-" if math.isnan(found) else f"{found:.{digits}f}"


def print_results(results: Sequence[Result], title: str) -> None:
    """The table of one probing command; the candidate chosen on val is marked."""
    several, noted = any(not r.selected for r in results), Footnotes(results)
    for names, part in _by_columns((r, None) for r in results):
        spent = cost.known(r for r, _ in part)
        heads = ["data", "backbone", "setting", *_metric_heads(names), "test (patients)"]
        table = make_table(title, [*heads, *(cost.HEADS if spent else ())])
        for r, _ in part:
            mark = " *" if several and r.selected else ""
            name = backbone_name(r, results)
            more = cost.cells(r) if spent else ()
            table.add_row(
                r.dataset,
                name,
                setting(r) + mark,
                *_metric_cells(r, names),
                uncertainty.size(r) + noted.marks(r),
                *more,
            )
        show(table)
    lines = [*threshold_metrics(results), *_subgroups(results), *_components(results)]
    print(*_legend(results), *lines, sep="\n")
    if several:
        print("* chosen on validation data; the other rows are shown, not selected on test")
    for line in noted.lines():
        print(line)


def print_board(board: Sequence[Row], metric: str | None = None) -> None:
    """The leaderboard in the terminal, a table for each kind of task."""
    shown = [row.result for row in board]
    noted = Footnotes(shown)
    for names, part in _by_columns(((row.result, row) for row in board), metric):
        heads = ["data", "#", "backbone", "probe", "setting", *_metric_heads(names)]
        spent = cost.known(r for r, _ in part)
        heads += ["test (patients)", *(cost.HEADS if spent else ())]
        table = make_table(_title(names, metric), heads)
        last = None
        for _, row in part:
            if last is not None and last != row.league:
                table.add_section()
            name = "" if last == row.league else row.data
            table.add_row(name, *_cells(row, shown, names, spent, noted))
            last = row.league
        show(table)
    print(*_board_legend(board), *noted.lines(), sep="\n")


def make_ready(stem: Path) -> None:
    """Make the folder of a table and see that it can be written, before anything runs for it.

    Raises :class:`InputError`.
    """
    try:
        try_folder(stem.parent)
    except OSError as error:
        raise InputError(f"{stem}: cannot be written: {reason(error)}") from error


def write(
    board: Sequence[Row], metric: str | None, stem: Path, after: Sequence[str] = ()
) -> list[Path]:
    """Write STEM.md and STEM.csv; the CSV has every metric, interval, chance level and size.

    ``after``: further lines of the Markdown file.
    """
    paths = [stem.with_name(stem.name + s) for s in (".md", ".csv")]
    make_ready(stem)
    try:
        write_text_atomic(paths[0], "\n".join([markdown(board, metric), *after]))
        write_text_atomic(paths[1], as_csv(board))
    except OSError as error:
        raise InputError(f"{stem}: cannot be written: {reason(error)}") from error
    return paths


def markdown(board: Sequence[Row], metric: str | None = None) -> str:
    """The leaderboard as Markdown tables, one for each kind of task."""
    shown = [row.result for row in board]
    noted, lines = Footnotes(shown), []
    for names, part in _by_columns(((row.result, row) for row in board), metric):
        heads = ["data", "rank", "backbone", "probe", "setting", *_metric_heads(names)]
        spent = cost.known(r for r, _ in part)
        heads += ["test (patients)", *(cost.HEADS if spent else ())]
        lines += [f"# {_title(names, metric).capitalize()}", ""]
        lines += [markdown_row(heads), "|" + " --- |" * len(heads)]
        for _, row in part:
            lines.append(markdown_row([row.data, *_cells(row, shown, names, spent, noted)]))
        lines.append("")
    # in Markdown a line break alone would join two footnotes
    return "\n".join([*lines, *_board_legend(board), *(f"\n{n}" for n in noted.lines()), ""])


def markdown_row(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def as_csv(board: Sequence[Row]) -> str:
    """The leaderboard as CSV, full precision; empty where a result lacks a metric."""
    out = io.StringIO()
    writer = Writer(out, "\r\n")
    heads = ["data", "league", *_PLACE, "backbone", "random", "overlap", "probe", "setting",
             "view", "pool"]  # fmt: skip
    there = {n for row in board for n in row.result.metrics if ":" not in n}
    names = [n for n in metrics.METRICS if n in there]
    names += sorted(there - set(names))  # of other packages, whether they are installed or not
    for n in names:
        heads += [n, f"{n}_low", f"{n}_high", f"{n}_chance", f"{n}_spread"]
    writer.writerow([*heads, "train", "val", "test", "test_patients", "split", "id", *cost.FIELDS,
                     "notes", *uncertainty.FIELDS])  # fmt: skip
    for row in board:
        r = row.result
        cells = [
            r.dataset, row.apart, *_place(row), r.backbone, r.random, r.overlap, probe_name(r),
            setting(r), r.view, r.pool,
        ]  # fmt: skip
        for n in names:
            cells += [r.metrics.get(n, ""), *r.ci.get(n, ("", "")), r.chance.get(n, "")]
            cells.append(r.spread.get(n, ""))
        sizes = [r.sizes[n] for n in ("train", "val", "test", "test_groups")]
        spent = [r.cost.get(n, "") for n in cost.FIELDS]
        said = ["; ".join(r.notes), *(uncertainty.rarest(r) or [""] * 3)]
        writer.writerow([*cells, *sizes, r.split["origin"], r.id, *spent, *said])
    return out.getvalue()


def _place(row: Row) -> list[Any]:
    """Of the CSV: what :meth:`~featprobe.leaderboard.board.Row.to_dict` says, empty for None."""
    of = row.to_dict()
    return ["" if of[n] is None else of[n] for n in _PLACE]


def _cells(
    row: Row, shown: Sequence[Result], names: Sequence[str], spent: bool, noted: Footnotes
) -> list[str]:
    r = row.result
    return [
        row.place, backbone_name(r, shown), probe_name(r), setting(r), *_metric_cells(r, names),
        uncertainty.size(r) + noted.marks(r), *(cost.cells(r) if spent else ()),
    ]  # fmt: skip


def _by_columns(
    results: Iterable[tuple[Result, Any]], metric: str | None = None
) -> list[tuple[tuple[str, ...], list[tuple[Result, Any]]]]:
    """Results (each with what belongs to it) by the metrics that are shown of their task: two with
    interval and chance, and one more, for which the ranking metric stands in if it is none of them.
    """
    out: dict[tuple[str, ...], list[tuple[Result, Any]]] = {}
    for r, more in results:
        names = metrics.names(r.task)[:3]
        if metric and metric not in names and metric.partition(":")[0] in metrics.names(r.task):
            names = (*names[:2], metric)
        out.setdefault(names, []).append((r, more))
    return list(out.items())


def _title(names: Sequence[str], metric: str | None) -> str:
    return f"leaderboard, ranked by {metrics.about(metric or names[0]).label}"


def _metric_heads(names: Sequence[str]) -> list[str]:
    first, second, third = (metrics.about(n).label for n in names)
    return [f"{first} [95 %]", "chance", f"{second} [95 %]", "chance", third]


def _metric_cells(r: Result, names: Sequence[str]) -> list[str]:
    first, second, third = names
    return [
        value(r, first), _number(r.chance, first, 2), value(r, second),
        _number(r.chance, second, 2), _number(r.metrics, third),
    ]  # fmt: skip


def _subgroups(results: Sequence[Result]) -> list[str]:
    """A line for each result with subgroups: each value, the worst one named."""
    lines = []
    for r in results:
        if not r.subgroups:
            continue
        by, label = r.subgroups["metric"], metrics.about(r.subgroups["metric"]).label
        parts = []
        for name, part in r.subgroups["values"].items():
            parts.append(
                f"{name} {_with_interval(part['metrics'], part['ci'], by)} "
                f"({'; '.join([str(part['units']), *part.get('notes', [])])})"
            )
        worst = f"; worst {r.subgroups['worst']}" if r.subgroups["worst"] is not None else ""
        without = r.subgroups["without"]
        worst += f"; {without} items without a value" if without else ""
        lines.append(
            f"{r.dataset} / {r.backbone}, {setting(r)}: {label} by {r.subgroups['column']}: "
            f"{', '.join(parts)}{worst}"
        )
    return lines


def _components(results: Sequence[Result]) -> list[str]:
    """A line for each mean over tries: what of its uncertainty is draws, and what patients."""
    lines = []
    for r in results:
        by = metrics.ranking(r.task)
        if r.shots is None or by not in r.components:
            continue
        sd = {k: math.sqrt(v) for k, v in r.components[by].items()}
        lines.append(
            f"{r.dataset} / {r.backbone}, {setting(r)}: standard deviation of "
            f"{metrics.about(by).label} {sd['tries']:.3f} between tries, {sd['mean']:.3f} left in "
            f"their mean, {sd['patients']:.3f} from patients"
        )
    return lines


def _board_legend(board: Sequence[Row]) -> list[str]:
    return [*_legend([row.result for row in board]), *legend(board)]


def _legend(results: Sequence[Result]) -> list[str]:
    lines = uncertainty.legend(results)
    if any(r.shots and not r.ci_method for r in results):
        lines.append("Few-shot: mean over tries; the interval is that of the mean.")
    if any(probe_name(r).startswith("linear") for r in results):
        lines.append("linear: the linear probe, logistic regression with an L2 penalty.")
    if any(r.random for r in results):
        lines.append(RANDOM + ".")
    lines += [
        f"{SEEN} {r.dataset} / {r.backbone}: not unseen data for this backbone, {r.overlap}"
        for r in results
        if r.overlap
    ]
    splits = {(r.dataset, r.split.get("digest")): r for r in reversed(results)}
    for r in reversed(splits.values()):
        parts = f"train / val / test {r.sizes['train']} / {r.sizes['val']} / {r.sizes['test']}"
        if r.protocol == "cv":
            parts = f"{r.sizes['test']} items, each tested once; metrics are means over folds"
        lines.append(
            f"{r.dataset}: split {r.split['origin']}; patients {r.split['grouping']}; {parts}"
        )
    for r in results:
        if r.left_out:
            lines.append(f"{r.dataset}: {r.left_out} items are left out, unreadable")
        if "level" in r.settings:
            lines.append(
                f"{r.dataset}: metrics of {r.sizes['test_units']} units by {r.settings['level']}, "
                f"the {r.settings['level_by']} of the scores of their items"
            )
    if any(r.cost for r in results):
        lines.append(cost.EXPLAINED)
    if any("#" in backbone_name(r, results) for r in results):
        lines.append("#: features of one backbone made in different ways (frames, blocks, ...)")
    return list(dict.fromkeys(lines))
