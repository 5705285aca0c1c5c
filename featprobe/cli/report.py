"""featprobe report"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from featprobe.cli.common import cache_option, choice_options, note
from featprobe.cli.ranking_options import rank_options
from featprobe.cli.show_map import METHODS
from featprobe.cli.verb import Verb, options

if TYPE_CHECKING:
    from featprobe.figures.embedding.embedding_map import EmbeddingMap


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe report
  featprobe report --data nih_cxr --out nih.html
  featprobe report --figures figures --format pdf
  featprobe report --map tsne pca
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
    click.option(
        "--map", "maps", multiple=True, type=click.Choice(METHODS), metavar="METHOD...",
        help="Also shows the items of each data set as points: pca, tsne, umap; see 'show map'.",
    ),
    click.option(
        "--overlays", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
        help="Also shows the pictures that 'segment --overlays FOLDER' has drawn. They are patient "
        "images, with names of items on them.",
    ),
    group="Output",
)  # fmt: skip
@cache_option
def command(
    data: tuple[str, ...], model: tuple[str, ...], metric: str | None, untested: bool,
    margin: float | None, across: tuple[str, ...], out: Path | None, figures: Path | None,
    kind: str, maps: tuple[str, ...], overlays: Path | None, cache: str | None,
) -> None:  # fmt: skip
    """Write one HTML page of all results: table, details of every row, figures, tests.

    The file holds everything, loads nothing and, but for --overlays, names no patient: it can be
    sent and opened anywhere. Without --data and --model it is of the newest result of every cell in
    the cache.
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
    for line in stand.notes:
        note(line)
    drawn: list[EmbeddingMap] = []
    if maps:
        from featprobe.report.board_maps import board_maps

        drawn, without = board_maps(board, root, paths.feature_root(cache), maps)
        for line in without:
            note(line)
    text = page(board, root, metric, across, maps=drawn, overlays=overlays)
    path = write(out or root / "report.html", text)
    click.echo(f"wrote {path}")
    if figures is not None:
        from featprobe.plots.gallery import save_all

        written, without = save_all(
            [row.result for row in board], root, figures, kind, metric
        )  # fmt: skip
        for line in without:
            note(f"not drawn: {line}")
        click.echo(f"wrote {len(written)} figures to {figures}")
