"""featprobe leaderboard"""

from __future__ import annotations

from pathlib import Path

import click

from featprobe.cli.common import Verb, cache_option, cached_name, json_option, note


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe leaderboard
  featprobe leaderboard --data nih_cxr --metric balanced_accuracy --out table
""",
)
@click.option("--data", multiple=True, metavar="NAME...", help="Only these data sets.")
@click.option("--model", multiple=True, metavar="NAME...", help="Only these backbones.")
@click.option(
    "--metric", metavar="METRIC",
    help="Ranks.  [default: auroc, quadratic_kappa of ordinal tasks, r2 of regression]",
)  # fmt: skip
@click.option(
    "--no-ties", is_flag=True,
    help="Rank by value alone, without testing which results differ from the best.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="STEM",
    help="Writes STEM.md and STEM.csv.  [default: leaderboard in the cache]",
)  # fmt: skip
@cache_option
@json_option
def command(
    data: tuple[str, ...], model: tuple[str, ...], metric: str | None, no_ties: bool,
    out: Path | None, cache: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Rank the newest results of every data set; print the table, write Markdown and CSV."""
    from featprobe import results, settings
    from featprobe.leaderboard.board import build
    from featprobe.leaderboard.compare import Ties
    from featprobe.leaderboard.table import print_board, write

    root = settings.cache_root(cache)
    names = [cached_name(d) for d in data]
    ties = None if no_ties else Ties(root)
    board = build(results.latest(results.read(root)), metric, names, model, root, ties)
    for text in ties.notes if ties else ():
        note(text)
    if as_json:
        for row in board:
            print(row.result.to_json())
    else:
        print_board(board, metric)
    stem = out or root / "leaderboard" / "leaderboard"
    for path in write(board, metric, stem):
        click.echo(f"wrote {path}", err=as_json)
