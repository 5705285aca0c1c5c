"""featprobe report"""

from __future__ import annotations

from pathlib import Path

import click

from featprobe.cli.common import cache_option, choice_options, note
from featprobe.cli.ranking_options import rank_options
from featprobe.cli.verb import Verb, options


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe report
  featprobe report --data nih_cxr --out nih.html
  featprobe report --figures figures --format pdf
""",
)
@choice_options
@rank_options
@options(
    click.option(
        "--out", type=click.Path(path_type=Path), metavar="FILE.html",
        help="Where the page is written.  [default: report.html in the cache]",
    ),
    click.option(
        "--figures", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
        help="Also writes every figure as a file (needs matplotlib: featprobe[plots]).",
    ),
    click.option(
        "--format", "kind", default="pdf", show_default=True,
        type=click.Choice(["pdf", "svg", "png"]), help="Of the figures.",
    ),
    group="Output",
)  # fmt: skip
@cache_option
def command(
    data: tuple[str, ...], model: tuple[str, ...], metric: str | None, untested: bool,
    margin: float | None, across: tuple[str, ...], out: Path | None, figures: Path | None,
    kind: str, cache: str | None,
) -> None:  # fmt: skip
    """Write one HTML page of all results: table, details of every row, figures, tests.

    The file holds everything, loads nothing and names no patient: it can be sent and opened
    anywhere. Without --data and --model it is of the newest result of every cell in the cache.
    """
    from featprobe.core import paths
    from featprobe.evaluation import results
    from featprobe.leaderboard.board import build
    from featprobe.leaderboard.rank_ranges import RankRanges
    from featprobe.metrics import measures as metrics
    from featprobe.report.page import page
    from featprobe.report.shell import write

    if metric is not None:
        metrics.about(metric)
    if figures is not None:
        from featprobe.plots.style import library

        library()
    root = paths.cache_root(cache)
    found = results.latest(results.read(root, note))
    stand = RankRanges(root, margin)
    board = build(found, metric, data, model, root, None if untested else stand, across)
    for text in stand.notes:
        note(text)
    path = write(out or root / "report.html", page(board, root, metric, across))
    click.echo(f"wrote {path}")
    if figures is not None:
        from featprobe.plots.gallery import save_all

        written, without = save_all(
            [row.result for row in board], root, figures, kind, metric
        )  # fmt: skip
        for text in without:
            note(f"not drawn: {text}")
        click.echo(f"wrote {len(written)} figures to {figures}")
