"""featprobe fewshot"""

from __future__ import annotations

from typing import Any

import click

from featprobe.cli.probing import probe_options, run_probe, set_option
from featprobe.cli.requested_probe import RequestedProbe, preset_option
from featprobe.cli.seeds import under_each
from featprobe.cli.verb import Verb, options

DRAWS = ("drawn", "first", "spaced", "dinov2")  # of featprobe.splits.study_draws


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe fewshot --shots 1 2 4 8 16 --tries 20
  featprobe fewshot --probe prototype --by patient --data nih_cxr
  featprobe fewshot --probe ridge --set alphas=100
  featprobe fewshot --draw first --shots-by patient --choose-on-val    as RAD does
  featprobe fewshot --draw first --shots-by patient --preset rad-linear
""",
)
@click.option(
    "--shots", multiple=True, type=click.IntRange(min=1), default=(1, 2, 4, 8, 16),
    show_default=True, metavar="N...", help="Items (or patients) of each class.",
)  # fmt: skip
@click.option(
    "--tries", default=20, show_default=True, type=click.IntRange(min=1), help="Draws for each."
)
@click.option(
    "--by", "--shots-by", "by", default="item", show_default=True, metavar="[item|patient]",
    type=click.Choice(["item", "patient", "sample"]),  # sample: the word of earlier versions
    help="What a shot is.",
)  # fmt: skip
@click.option(
    "--draw", default="drawn", show_default=True, type=click.Choice([*DRAWS]),
    help="At random; first: RAD's first patients of each class; spaced: so many items of train, "
    "evenly spaced; dinov2: by torch's generator, as DINOv2's kNN.",
)  # fmt: skip
@options(
    click.option(
        "--choose-on-val", is_flag=True,
        help="Val chooses the candidate of each try, as RAD does; else it is not looked at. With "
        "--preset it always does.",
    ),
    group="Split and selection",
)  # fmt: skip
@click.option(
    "--probe", default="logistic", show_default=True, metavar="NAME",
    help="logistic, ridge, prototype, knn, labelprop (transductive), or another probe.",
)  # fmt: skip
@preset_option
@set_option
@probe_options
@click.pass_context
def command(
    ctx: click.Context,
    shots: tuple[int, ...],
    tries: int,
    by: str,
    draw: str,
    choose_on_val: bool,
    probe: str,
    preset: str | None,
    settings: tuple[str, ...],
    seeds: tuple[int, ...],
    split_version: int,
    **common: Any,
) -> None:
    """Learning curves: n items of each class, drawn from train only, tested on test.

    Neither val nor test is touched by a draw; the logistic probe uses C = 1 unless val chooses.
    """
    from featprobe.evaluation.protocols import FewShot
    from featprobe.probes.presets import preset as preset_named

    asked = RequestedProbe.of(ctx, probe, settings, preset_named(preset) if preset else None)
    common["view"] = asked.views(common["view"])

    def way(seed: int) -> list[FewShot]:
        of = tuple(sorted(set(shots)))
        choose = choose_on_val or preset is not None
        return [FewShot(of, tries, by, seed, split_version, draw, choose)]

    run_probe(
        asked.on, under_each(seeds, way), title=f"few-shot, {asked.title}", how=asked.how, **common
    )
