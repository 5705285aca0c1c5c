"""featprobe leaderboard"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featprobe.cli.common import cache_option, choice_options, json_option, note, part
from featprobe.cli.log_options import log_option, mirrored
from featprobe.cli.ranking_options import rank_options
from featprobe.cli.verb import Verb, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featprobe.evaluation.results import Result
    from featprobe.leaderboard.compare import Comparison
    from featprobe.leaderboard.grid import Grid
    from featprobe.leaderboard.ledger import Outcome


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe leaderboard
  featprobe leaderboard --data nih_cxr --metric balanced_accuracy --out table
  featprobe leaderboard --html page.html --latex table.tex --confusion cells.csv
  featprobe leaderboard --metric sens_at_90spec    of kept scores, where results lack it
  featprobe leaderboard cells.yaml         runs what is missing, then ranks it
  featprobe leaderboard cells.yaml --dry-run        what it would take
  featprobe leaderboard cells.yaml --jobs 4
  featprobe leaderboard cells.yaml --shard 2/8      one part, as a task of a job array
  featprobe leaderboard cells.yaml --model dinov2_vits14 --data nih_chestxray14

\b
A file names what to rank: data, models, probes, finetune, protocols (each a list), image_size,
views, subset, seeds, what to exclude and include, and how: extract, against, metric, resamples,
split_version, out. Every combination is a cell. An example is docs/examples/unfrozen.yaml.
""",
)
@click.argument(
    "file", required=False, type=click.Path(path_type=Path), metavar="[FILE.yaml | NAME]"
)
@choice_options
@rank_options
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="STEM",
    help="Writes STEM.md and STEM.csv.  [default: leaderboard in the cache]",
)  # fmt: skip
@options(
    click.option(
        "--html", type=click.Path(path_type=Path), metavar="FILE",
        help="Also writes the page of it, as featprobe report does.",
    ),
    click.option(
        "--latex", type=click.Path(path_type=Path), metavar="FILE",
        help="Also writes it as LaTeX tables (booktabs), best and ties bold.",
    ),
    click.option(
        "--confusion", type=click.Path(path_type=Path), metavar="FILE",
        help="Also writes a CSV of the confusion matrix of every row whose scores are kept.",
    ),
    group="Output",
)  # fmt: skip
@options(
    click.option(
        "--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
        help="Run so many cells of a file side by side, each in a process.",
    ),
    click.option(
        "--shard", default="1/1", metavar="I/N", callback=lambda _c, _p, v: part(v),
        help="Run the I-th of N parts of a file's cells only, and write no table.",
    ),
    click.option(
        "--dry-run", is_flag=True,
        help="Say what of a file is cached, what would be extracted and run, time and disk.",
    ),
    group="Device and speed",
)  # fmt: skip
@options(
    click.option(
        "--over-seeds", is_flag=True,
        help="Join results that differ in their seed alone to their mean, as a file with several "
        "seeds does.",
    ),
)  # fmt: skip
@log_option
@cache_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, file: Path | None, data: tuple[str, ...], model: tuple[str, ...],
    metric: str | None, untested: bool, margin: float | None, across: tuple[str, ...],
    out: Path | None, html: Path | None, latex: Path | None, confusion: Path | None, jobs: int,
    shard: tuple[int, int],
    dry_run: bool, over_seeds: bool, log: tuple[str, ...], cache: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Rank the newest results of every data set; print the table, write Markdown and CSV.

    With a file (or the name of a ready one), rank what it names: cells that are not in the cache
    run first, one that fails is named and the rest goes on, and the exit status is then 1. Where
    the file says against what, paired differences follow, and are written to STEM-differences.csv.
    """
    import json

    from featprobe.core import paths as settings
    from featprobe.evaluation import results
    from featprobe.leaderboard.board import build
    from featprobe.leaderboard.rank_ranges import RankRanges
    from featprobe.leaderboard.table import make_ready, print_board, write
    from featprobe.metrics import measures as metrics

    if file is None and (jobs > 1 or shard != (1, 1) or dry_run or log):
        raise click.UsageError(
            "--jobs, --shard, --dry-run and --log are of a file: featprobe leaderboard FILE", ctx
        )
    if metric is not None:
        metrics.about(metric)
    root = settings.cache_root(cache)
    grid = outcome = against = None
    stem = out or root / "leaderboard" / "leaderboard"
    if file is not None:
        grid = _grid(file).only(data, model)
        data, model = (), ()
        grid = replace(grid, metric=metric or grid.metric)  # choosing follows it
        if dry_run:
            _foretell(grid, cache, shard, as_json)
            return
        stem = out or grid.out or root / "leaderboard" / grid.file.stem
        make_ready(stem)
        with mirrored(log, "leaderboard", {"file": grid.file.stem}, cache):
            outcome = _run(grid, cache, jobs, shard)
        if shard != (1, 1):
            note(f"part {shard[0]} of {shard[1]}: 'featprobe leaderboard {file}' makes the table")
            _end(ctx, outcome)
            return
        over_seeds = over_seeds or len(grid.seeds) > 1
        found, metric, against = outcome.results, metric or grid.metric, grid.against
        if not found:
            _end(ctx, outcome)
    else:
        found = results.latest(results.read(root, note))
    if over_seeds:
        from featprobe.evaluation.seed_means import over_seeds as joined

        found, apart = joined(root, found)
        for text in apart:
            note(f"not joined over seeds: {text}")
    stand = RankRanges(root, margin)
    board = build(found, metric, data, model, root, None if untested else stand, across)
    for text in stand.notes:
        note(text)
    if as_json:
        for row in board:
            line = json.loads(row.result.to_json()) | {"place": row.to_dict()}
            print(json.dumps(line, allow_nan=False))
    else:
        print_board(board, metric)
    made = _differences(root, found, grid, metric, across) if grid is not None and against else []
    paths = write(board, metric, stem, _written(made, as_json))
    if made:
        from featprobe.leaderboard import differences

        paths.append(differences.write(made, stem))
    if latex is not None:
        from featprobe.leaderboard import latex as tables

        paths.append(tables.write(board, metric, latex))
    if confusion is not None:
        from featprobe.leaderboard import confusion_table

        paths.append(confusion_table.write(board, root, confusion, note))
    if html is not None:
        from featprobe.report.page import page
        from featprobe.report.shell import write as write_page

        paths.append(write_page(html, page(board, root, metric, across)))
    for path in paths:
        click.echo(f"wrote {path}", err=as_json)
    if outcome is not None:
        _end(ctx, outcome)


def _grid(file: Path) -> Grid:
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as extract has it
    from featprobe.leaderboard.grid import read
    from featprobe.leaderboard.includes import named_file

    return read(named_file(str(file)))


def _foretell(grid: Grid, cache: str | None, shard: tuple[int, int], as_json: bool) -> None:
    """Show the forecast, of JSON one object."""
    import json

    from featprobe.leaderboard.forecast import forecast
    from featprobe.leaderboard.forecast_text import print_forecast
    from featprobe.leaderboard.schedule import part as part_of

    found = forecast(grid, cache, part_of(grid.cells, *shard))
    if as_json:
        print(json.dumps(found.to_dict(), allow_nan=False))
    else:
        print_forecast(found)


def _run(grid: Grid, cache: str | None, jobs: int, shard: tuple[int, int]) -> Outcome:
    from featprobe.leaderboard.running import run

    return run(grid, cache, report=note, progress=True, jobs=jobs, shard=shard)


def _differences(
    root: Path, found: Sequence[Result], grid: Grid, metric: str | None, across: Sequence[str]
) -> list[Comparison]:
    """Each result against the one that the file names; what cannot be compared is said."""
    from featprobe.core.errors import InputError, UnknownName
    from featprobe.leaderboard.compare import compare

    try:
        made, notes = compare(
            root, found, metric, between="all", against=grid.against, resamples=grid.resamples,
            across=across,
        )  # fmt: skip
    except (InputError, UnknownName) as error:  # its cells may have failed
        note(f"no paired differences: {error}")
        return []
    for text in dict.fromkeys(notes):
        note(f"left aside: {text}")
    return made


def _written(made: Sequence[Comparison], as_json: bool) -> list[str]:
    """Show the differences; the lines of them for the Markdown file."""
    if not made:
        return []
    from featprobe.leaderboard import differences

    if not as_json:
        differences.print_differences(made)
    return differences.markdown(made)


def _end(ctx: click.Context, outcome: Outcome) -> None:
    """Say what became of the cells and what took the time; exit with 1 where one has failed."""
    from featprobe.core.stopwatch import shares

    if outcome.ran:
        note(f"time: {shares(outcome.seconds)}")
    failed = f", {len(outcome.failures)} failed" if outcome.failures else ""
    note(f"{outcome.ran} cells ran, {outcome.there} were in the cache{failed}")
    for text in outcome.failures:
        note(f"failed: {text}")
    if outcome.failures:
        ctx.exit(1)
