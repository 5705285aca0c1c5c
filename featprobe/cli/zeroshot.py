"""featprobe zeroshot"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from featprobe.cli.common import split_version_option
from featprobe.cli.feature_sets import projections
from featprobe.cli.imagetext_options import data_options
from featprobe.cli.probing import bootstrap_options, on_each, show_results
from featprobe.cli.verb import Verb

if TYPE_CHECKING:
    from featprobe.evaluation.results import Result
    from featprobe.features.feature_set import FeatureSet
    from featprobe.imagetext.prompts import Prompts


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe zeroshot                         every feature set with a projection
  featprobe zeroshot --data chest --template "a chest x-ray showing {}" "{} on a radiograph"
  featprobe zeroshot --data chest --template "{}" --negative "no {}"     several labels an image
  featprobe zeroshot --data chest --prompts prompts.yaml

\b
prompts.yaml, a line for every class or label:
  normal: [a chest x-ray without findings, healthy lungs]
  effusion: {positive: [pleural effusion], negative: [no pleural effusion]}
""",
)
@data_options
@click.option(
    "--prompts", type=click.Path(path_type=Path), metavar="FILE", help="YAML: class to texts."
)
@click.option(
    "--template", multiple=True, metavar="TEXT...",
    help="With {} for the name of the class; several are averaged.  "
    "[default: 'a medical image of {}', of labels '{}' and 'no {}']",
)  # fmt: skip
@click.option(
    "--negative", multiple=True, metavar="TEXT...", help="Templates of a label's absence."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0),
    help="Of the split and of the bootstrap.")  # fmt: skip
@split_version_option
@bootstrap_options
def command(
    data: tuple[str, ...], model: tuple[str, ...], checkpoint: str | None, prompts: Path | None,
    template: tuple[str, ...], negative: tuple[str, ...], seed: int, split_version: int,
    resamples: int, cache: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Classify test images by texts, with the text tower of the checkpoint that made the features.

    Nothing is fitted. Prompts that were chosen by looking at these results are selected on test.
    """
    from featprobe.imagetext.prompts import from_templates, read_prompts
    from featprobe.imagetext.zeroshot import zero_shot

    if prompts and (template or negative):
        raise click.UsageError("--prompts and templates exclude each other")
    if negative and not template:
        raise click.UsageError("--negative goes with --template")

    def prompts_for(features: FeatureSet) -> Prompts | None:
        if prompts:
            return read_prompts(prompts, features.classes)
        return from_templates(features.classes, template, negative) if template else None

    def run(features: FeatureSet, _: None) -> list[Result]:
        result = zero_shot(
            features, prompts_for(features), checkpoint=checkpoint, resamples=resamples, seed=seed,
            split_version=split_version, cache=cache, save=True,
        )  # fmt: skip
        return [result]

    shown = on_each(projections(data, model, cache), run, as_json)
    show_results(shown, as_json, "zero-shot")
