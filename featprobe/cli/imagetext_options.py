"""Options that the verbs of image-text models share."""

from __future__ import annotations

import click

from featprobe.cli.common import options

data_options = options(
    click.option("--data", multiple=True, metavar="NAME...", help="Only these data sets."),
    click.option("--model", multiple=True, metavar="NAME...", help="Only these backbones."),
    click.option(
        "--checkpoint", metavar="NAME",
        help="Hub id or folder that has both towers, where the features name another place.",
    ),
)  # fmt: skip
