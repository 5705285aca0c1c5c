"""Tables of Results in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from featprobe.core.atomic import try_folder, write_text_atomic
from featprobe.core.errors import InputError, reason
from featprobe.evaluation.results import Result
from featprobe.leaderboard import cost, legends, uncertainty
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.columns import (
    board_heads,
    by_columns,
    cells,
    metric_cells,
    metric_heads,
    title,
)
from featprobe.leaderboard.footnotes import Footnotes
from featprobe.leaderboard.records import as_csv
from featprobe.leaderboard.row_labels import Among, backbone_name, probe_name, setting
from featprobe.leaderboard.terminal import make_table, show
from featprobe.leaderboard.threshold_metrics import threshold_metrics


def print_results(results: Sequence[Result], title: str) -> None:
    """The table of one probing command; the candidate chosen on val is marked, and what decodes is
    named where one command had several decoders."""
    several, noted = any(not r.selected for r in results), Footnotes(results)
    among, named = Among(results), len({r.params.get("decoder") for r in results}) > 1
    for names, part in by_columns((r, None) for r in results):
        spent = cost.known(r for r, _ in part)
        probe = ["probe"] if named else []
        heads = ["data", "backbone", *probe, "setting", *metric_heads(names), "test (patients)"]
        table = make_table(title, [*heads, *(cost.HEADS if spent else ())])
        for r, _ in part:
            mark = " *" if several and r.selected else ""
            name = backbone_name(r, among)
            more = cost.cells(r) if spent else ()
            table.add_row(
                r.dataset,
                name,
                *([probe_name(r)] if named else []),
                setting(r) + mark,
                *metric_cells(r, names),
                uncertainty.size(r) + noted.marks(r),
                *more,
            )
        show(table)
    lines = [*threshold_metrics(results), *legends.subgroups(results), *legends.components(results)]
    print(*legends.of_results(results), *lines, sep="\n")
    if several:
        print("* chosen on validation data; the other rows are shown, not selected on test")
    for line in noted.lines():
        print(line)


def print_board(board: Sequence[Row], metric: str | None = None) -> None:
    """The leaderboard in the terminal, a table for each kind of task."""
    shown = [row.result for row in board]
    noted, among = Footnotes(shown), Among(shown)
    for names, part in by_columns(((row.result, row) for row in board), metric):
        spent = cost.known(r for r, _ in part)
        table = make_table(title(names, metric), board_heads(names, spent, "#"))
        last = None
        for _, row in part:
            if last is not None and last != row.league:
                table.add_section()
            name = "" if last == row.league else row.data
            table.add_row(name, *cells(row, among, names, spent, noted))
            last = row.league
        show(table)
    print(*legends.of_board(board), *noted.lines(), sep="\n")


def make_ready(stem: Path) -> None:
    """Make the folder of a table and see that it can be written, before anything runs for it.

    Raises :class:`InputError`, also for what has no name to put an ending to.
    """
    if stem.name in ("", ".."):
        raise InputError(f"{str(stem)!r} is no name for a table: --out is a path and a name")
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
    noted, among, lines = Footnotes(shown), Among(shown), []
    for names, part in by_columns(((row.result, row) for row in board), metric):
        spent = cost.known(r for r, _ in part)
        heads = board_heads(names, spent)
        lines += [f"# {title(names, metric).capitalize()}", ""]
        lines += [markdown_row(heads), "|" + " --- |" * len(heads)]
        for _, row in part:
            lines.append(markdown_row([row.data, *cells(row, among, names, spent, noted)]))
        lines.append("")
    # in Markdown a line break alone would join two footnotes
    return "\n".join([*lines, *legends.of_board(board), *(f"\n{n}" for n in noted.lines()), ""])


def markdown_row(values: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(c.replace("|", "\\|") for c in values) + " |"
