"""featprobe compare"""

from __future__ import annotations

import click

from featprobe.cli.common import (
    across_option,
    cache_option,
    choice_options,
    json_option,
    note,
)
from featprobe.cli.verb import Verb, options

test_options = options(
    click.option(
        "--test", default="permutation", show_default=True,
        type=click.Choice(["permutation", "delong", "mcnemar"]),
        help="delong: of the AUROC of one class; mcnemar: of accuracy, one item a patient.",
    ),
    click.option(
        "--resamples", default=1000, show_default=True, type=click.IntRange(20, 1_000_000),
        help="Swaps of the permutation test.",
    ),
    click.option(
        "--power", is_flag=True,
        help="What this study could find (minimum detectable difference, power 0.8), for the next "
        "one.",
    ),
    click.option(
        "--difference", type=float, metavar="D",
        help="With --power: the patients that a study needs to find a true difference of D.",
    ),
    group="Metrics and intervals",
)  # fmt: skip


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe compare
  featprobe compare --data nih_cxr --metric auroc:Effusion --all-pairs
  featprobe compare --against resnet50
  featprobe compare --between probes --model dinov2_vits14
  featprobe compare --between all --against linear
  featprobe compare --power --difference 0.02
""",
)
@choice_options
@click.option(
    "--between", default="backbones", show_default=True,
    type=click.Choice(["backbones", "probes", "all"]),
    help="Backbones under one probe, probes on one backbone, or all results of a data set.",
)  # fmt: skip
@click.option(
    "--against",
    metavar="NAME",
    help="Compare with this backbone, between probes with this probe, between all with either: "
    "a probe on the same backbone, where it is there.  [default: the best]",
)
@click.option("--all-pairs", is_flag=True, help="Compare each with each.")
@click.option(
    "--metric",
    metavar="METRIC",
    help="auroc, auroc:CLASS, f1, ...  [default: auroc, quadratic_kappa of ordinal tasks, r2 of "
    "regression]",
)
@test_options
@across_option
@cache_option
@json_option
def command(
    data: tuple[str, ...], model: tuple[str, ...], between: str, against: str | None,
    all_pairs: bool, metric: str | None, test: str, resamples: int, power: bool,
    difference: float | None, across: tuple[str, ...], cache: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Paired differences between results on the same test items, from their kept scores.

    Interval and p come from one test that takes patients as one (by default the permutation of
    whole patients): for each pair alone, and for all that are compared within one data set,
    protocol and probe at once. The best is chosen by the data, so a comparison with it counts as
    one of all pairs.
    """
    import json

    from featprobe.core import paths as settings
    from featprobe.evaluation import results
    from featprobe.metrics import measures as metrics

    if test == "mcnemar" and metric is None:
        metric = "accuracy"
    from featprobe.core.errors import InputError
    from featprobe.leaderboard.board import choose
    from featprobe.leaderboard.compare import compare
    from featprobe.leaderboard.differences import print_differences
    from featprobe.leaderboard.planning import plan, print_plan

    if against is not None and all_pairs:
        raise InputError("--against and --all-pairs exclude each other")
    if difference is not None and not power:
        raise InputError("--difference is for --power: add it")
    if metric is not None:
        metrics.about(metric)
    root = settings.cache_root(cache)
    found = choose(results.latest(results.read(root, note)), data, model, root)
    made, notes = compare(
        root, found, metric, between=between, against=against, all_pairs=all_pairs,
        test=test, resamples=resamples, across=across,
    )  # fmt: skip
    for text in dict.fromkeys(notes):
        note(f"left aside: {text}")
    plans = plan(made, difference) if power else []
    if as_json:
        for i, c in enumerate(made):
            more = {"power": plans[i].to_dict()} if power else {}
            print(json.dumps(c.to_dict() | more, allow_nan=False))
    else:
        print_differences(made)
        if power:
            print_plan(plans)
