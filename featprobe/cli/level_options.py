"""The options that say what one row of the metrics is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from featprobe.cli.verb import options

level_by_option = options(
    click.option(
        "--level-by", type=click.Choice(["mean", "max"]),
        help="How the scores of a patient's or a study's items are joined.  [default: mean]",
    ),
    group="Metrics and intervals",
)  # fmt: skip
level_options = options(
    click.option(
        "--level", default="item", show_default=True,
        type=click.Choice(["item", "study", "patient"]), help="What is one row of the metrics.",
    ),
    level_by_option,
    click.option("--study", metavar="FILE:COLUMN", help="The study of each item, by its id."),
    click.option(
        "--subgroup", metavar="FILE:COLUMN", help="Metrics by value of this column, and the worst."
    ),
    group="Metrics and intervals",
)  # fmt: skip


def read_level(requested: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments that the options of :data:`level_options` stand for."""
    from featprobe.core.errors import InputError
    from featprobe.evaluation.levels import Level

    level, by = requested["level"], requested["level_by"]
    if by and level == "item":
        raise InputError("--level-by joins the items of a patient or a study: add --level")
    level = Level(level, by or "mean", requested["study"])
    return {"level": level, "subgroups": requested["subgroup"]}
