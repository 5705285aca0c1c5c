"""featprobe transfer"""

from __future__ import annotations

from typing import Any

import click

from featprobe.cli.common import choice_options
from featprobe.cli.feature_sets import feature_sets
from featprobe.cli.level_options import level_by_option
from featprobe.cli.probing import (
    bootstrap_options,
    draw_options,
    feature_options,
    note,
    notes_of,
    raise_lost,
    set_option,
)
from featprobe.cli.requested_probe import RequestedProbe, preset_option
from featprobe.cli.selection_options import chosen_by, select_options
from featprobe.cli.verb import MAIN, Verb, options

set_options = options(
    options(
        click.option("--train", multiple=True, metavar="NAME...", help="Data sets to fit to."),
        click.option("--test", multiple=True, metavar="NAME...", help="Data sets to test on."),
        choice_options,
        click.option(
            "--map", "mapped", multiple=True, metavar="CLASS=NAME...",
            help="Call a class by the name that it has elsewhere, in all data sets or (DATA:CLASS="
            "NAME) in one; classes of one name are one. Equal names match by themselves.",
        ),
        group=MAIN,
    ),
    click.option(
        "--classes", default="all", show_default=True, type=click.Choice(["all", "pair"]),
        help="Of several data sets the classes that all of them share, so that every number is of "
        "one question; or those of each pair.",
    ),
    click.option(
        "--on", default="auto", show_default=True, type=click.Choice(["auto", "test", "all"]),
        help="Items to test on: all, or the test part; auto: test where an official one is there.",
    ),
    click.option(
        "--patients", default="auto", show_default=True,
        type=click.Choice(["auto", "same", "apart"]),
        help="Whether patients of one name in two data sets are the same; auto: not where names "
        "are mere numbers.",
    ),
    click.option(
        "--shared", default="keep", show_default=True, type=click.Choice(["keep", "drop"]),
        help="drop: leave out test items of patients, and near-copies of images, of the training "
        "data.",
    ),
    click.option(
        "--alike", default=0.99, show_default=True, type=click.FloatRange(0, 1),
        help="Cosine from which two images are near-copies.",
    ),
    click.option(
        "--subset", default=1.0, show_default=True, type=click.FloatRange(0, 1, min_open=True),
        metavar="F", help="Cut train and val to this fraction of their patients.",
    ),
    click.option("--no-refit", is_flag=True, help="Test the fit on train alone, without val."),
    group="Split and selection",
)  # fmt: skip


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe transfer --train nih --test chexpert
  featprobe transfer --train nih --test chexpert --map 'Pleural Effusion=Effusion'
  featprobe transfer --data nih chexpert mimic     every ordered pair, and a matrix
  featprobe transfer --data nih chexpert mimic --classes pair
  featprobe transfer --train nih --test chexpert --probe knn --set k=[5,20] --shared drop
  featprobe transfer --train nih --test chexpert --preset rad-linear
  featprobe transfer --train nih --test chexpert --model 'dinov2_vits14:cls + resnet50:mean'
""",
)
@set_options
@click.option(
    "--probe", default="logistic", show_default=True, metavar="NAME",
    help="logistic, knn, ridge, mlp, or another probe.",
)  # fmt: skip
@preset_option
@set_option
@select_options
@feature_options
@options(
    click.option(
        "--level", default="item", show_default=True, type=click.Choice(["item", "patient"]),
        help="What is one row of the metrics.",
    ),
    level_by_option,
    group="Metrics and intervals",
)  # fmt: skip
@draw_options
@bootstrap_options
@click.pass_context
def command(
    ctx: click.Context,
    train: tuple[str, ...],
    test: tuple[str, ...],
    data: tuple[str, ...],
    model: tuple[str, ...],
    classes: str,
    subset: float,
    no_refit: bool,
    seed: int,
    split_version: int,
    probe: str,
    preset: str | None,
    settings: tuple[str, ...],
    select: str | None,
    one_se: bool | None,
    threshold: str | None,
    level: str,
    level_by: str | None,
    cache: str | None,
    as_json: bool,
    **common: Any,
) -> None:
    """Fit to one data set, test on others: what is lost on images from elsewhere.

    Candidates, views and thresholds are chosen on the val of the data set trained on.
    """
    from featprobe.cli.level_options import read_level
    from featprobe.core.errors import FeatprobeError, InputError
    from featprobe.evaluation.protocols import Full
    from featprobe.evaluation.results import Result
    from featprobe.evaluation.transfer import transfer
    from featprobe.features.lookup import data_named
    from featprobe.features.pairing import trained_and_tested
    from featprobe.leaderboard.transfer_table import print_transfers
    from featprobe.probes.presets import preset as preset_named

    if bool(train or test) == bool(data) or bool(train) != bool(test):
        raise click.UsageError("give --train and --test, or --data for every ordered pair")
    asked = RequestedProbe.of(ctx, probe, settings, preset_named(preset) if preset else None)
    every = list(dict.fromkeys((*train, *test, *data)))
    aside: list[str] = []
    sets = feature_sets(every, model, asked.views(common.pop("view")), cache, aside.append)
    names = {f.dataset for f, _ in sets}
    fitted, tested = ([data_named(n, names) for n in of or data] for of in (train, test))
    try:
        pairs, notes = trained_and_tested(sets, fitted, tested)
    except InputError as error:  # a data set that lacks a part is why
        raise InputError("; ".join([str(error), *aside])) from None
    for text in aside + notes:
        note(f"left aside: {text}")
    if classes == "pair":
        pairs = [(s, [target], views) for s, targets, views in pairs for target in targets]
    protocol = Full(seed, asked.refit and not no_refit, subset, split_version)
    how = chosen_by(select, one_se, threshold, asked.how) | {
        "level": read_level(
            {"level": level, "level_by": level_by, "study": None, "subgroup": None}
        )["level"]
    }
    done: list[Result] = []
    problems: list[FeatprobeError] = []
    for source, targets, views in pairs:
        try:
            found = transfer(
                source, targets, asked.on(source), protocol, view=views, cache=cache, save=True,
                **how, **common,
            )  # fmt: skip
        except InputError as error:
            problems.append(error)
            if len(pairs) > 1:
                note(f"left aside: {source.dataset} / {source.backbone}: {error}")
            continue
        done += found
        if as_json:
            for result in found:
                print(result.to_json(), flush=True)
    if not done:
        raise problems[0]
    if as_json:
        for text in dict.fromkeys(notes_of(done)):
            note(text)
    else:
        print_transfers(done)
    raise_lost(done)
