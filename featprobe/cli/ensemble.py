"""featprobe ensemble"""

from __future__ import annotations

import click

from featprobe.cli.common import note
from featprobe.cli.probing import bootstrap_options, show_results
from featprobe.cli.verb import Verb


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe ensemble dinov2_vitb14 resnet50 --data nih_cxr
  featprobe ensemble dinov2_vitb14/linear dinov2_vitb14/knn
  featprobe ensemble dinov2_vitb14 resnet50 --weights 2 1
  featprobe ensemble dinov2_vitb14 resnet50 --weights val
  featprobe ensemble 3f2a91bc 91bc03de --combine logits    ids, as of leaderboard --json
""",
)
@click.argument("members", nargs=-1, required=True, metavar="MEMBER...")
@click.option("--data", multiple=True, metavar="NAME...", help="Only these data sets.")
@click.option(
    "--combine", default="probabilities", show_default=True,
    type=click.Choice(["probabilities", "logits"]),
    help="What is averaged; logits: the geometric mean of probabilities.",
)  # fmt: skip
@click.option(
    "--weights", multiple=True, default=("equal",), show_default="equal", metavar="W...",
    help="A number for each MEMBER, in their order; equal; or val: those of the least loss on the "
    "members' kept validation scores. Test scores choose nothing.",
)  # fmt: skip
@bootstrap_options
def command(
    members: tuple[str, ...], data: tuple[str, ...], combine: str, weights: tuple[str, ...],
    resamples: int, cache: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Average the scores of results on the same test items; the mean is a result like others.

    A MEMBER is a backbone, BACKBONE/PROBE, or the id of a result. All weigh the same unless
    --weights says otherwise, and nothing is calibrated. Members of other test items, labels, splits
    or draws are refused.
    """
    from featprobe.core import paths as settings
    from featprobe.core.errors import InputError
    from featprobe.evaluation import results
    from featprobe.evaluation.result_list import Results
    from featprobe.leaderboard.board import choose
    from featprobe.leaderboard.ensemble_members import ensembles_of
    from featprobe.leaderboard.ensemble_weights import read_weights
    from featprobe.leaderboard.ensembles import ensemble

    if len(members) < 2:
        raise InputError(f"an ensemble has two members or more, not only {members[0]!r}")
    root = settings.cache_root(cache)
    read_weights(weights, len(members))
    found = choose(results.latest(results.read(root, note)), data, (), root)
    made = Results()
    problems = []
    for several in ensembles_of(found, members):
        try:
            made.append(ensemble(
                root, several, combine, weights=weights, resamples=resamples, save=True
            ))  # fmt: skip
        except InputError as error:
            problems.append(error)
    if not made:
        raise problems[0]
    for why in problems:
        note(f"left aside: {why}")
    if as_json:
        for result in made:
            print(result.to_json(), flush=True)
    show_results(made, as_json, f"ensemble, mean of {combine}")
