"""Options that the verbs of image-text models share."""

from __future__ import annotations

import click

from featprobe.cli.common import choice_options
from featprobe.cli.verb import options

data_options = options(
    choice_options,
    click.option(
        "--checkpoint", metavar="NAME",
        help="Hub id or folder that has both towers, where the features name another place.",
    ),
)  # fmt: skip
