"""featprobe retrieval"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from featprobe.cli.feature_sets import projections
from featprobe.cli.imagetext_options import data_options
from featprobe.cli.probing import bootstrap_options, on_each
from featprobe.cli.verb import Verb

if TYPE_CHECKING:
    from featprobe.features.feature_set import FeatureSet
    from featprobe.imagetext.retrieval import Retrieval


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe retrieval --data chest --captions reports.csv
  featprobe retrieval --data chest --captions reports.csv --model clip_vitb32 --json

\b
reports.csv has the columns id (as 'featprobe export' lists them) and text, a line a caption.
""",
)
@data_options
@click.option(
    "--captions", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="CSV: id,text; several lines may have one id.",
)  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0),
    help="Of the bootstrap.")  # fmt: skip
@bootstrap_options
def command(
    data: tuple[str, ...], model: tuple[str, ...], checkpoint: str | None, captions: Path,
    seed: int, resamples: int, cache: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Rank captions for images and images for captions, by cosine in the shared space.

    All items that have a caption take part, whatever their split: nothing is fitted. Ties count as
    the average over their orders; the median rank is also given with every tie lost.
    """
    from featprobe.imagetext.retrieval import read_captions, retrieve

    ids, texts = read_captions(captions)

    def run(features: FeatureSet, _: None) -> list[Retrieval]:
        return [
            retrieve(features, ids, texts, checkpoint=checkpoint, resamples=resamples, seed=seed)
        ]

    shown = on_each(projections(data, model, cache), run, as_json)
    if not as_json:
        _print(shown)


def _print(shown: list[Retrieval]) -> None:
    from featprobe.core.display import ends
    from featprobe.imagetext.retrieval import DEPTHS, DIRECTIONS
    from featprobe.leaderboard.footnotes import Footnotes
    from featprobe.leaderboard.terminal import make_table, show

    heads = [h for k in DEPTHS for h in (f"recall@{k} [95 %]", "chance")]
    heads = ["data", "backbone", "from", *heads, "median rank [95 %]", "images (patients)"]
    table, noted = make_table("retrieval", heads), Footnotes(shown)
    for r in shown:
        for way in DIRECTIONS:
            cells = []
            for name in (f"{way}_recall@{k}" for k in DEPTHS):
                cells += [f"{r.metrics[name]:.3f}{ends(r.ci[name])}", f"{r.chance[name]:.3f}"]
            name = f"{way}_median_rank"
            worst = r.metrics[f"{name}_worst"]
            lost = "" if worst == r.metrics[name] else f", ties lost {worst:g}"
            rank = f"{r.metrics[name]:g}{ends(r.ci[name], 'g')}{lost}"
            place = f"{r.images}, {r.captions} captions ({r.patients}){noted.marks(r)}"
            table.add_row(
                r.dataset, r.backbone, way.replace("_", " "), *cells, rank, place
            )  # fmt: skip
    show(table)
    print(
        "Intervals: 95 %, of new patients, whose images and captions are the queries: Wilson score "
        "of recalls, bootstrap of ranks."
    )
    for line in noted.lines():
        print(line)
