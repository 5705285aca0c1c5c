"""Options of verbs that rank results."""

from __future__ import annotations

import click

from featprobe.cli.common import across_option
from featprobe.cli.verb import options

rank_options = options(
    click.option(
        "--metric", metavar="METRIC",
        help="Ranks.  [default: auroc, quadratic_kappa of ordinal tasks, r2 of regression]",
    ),
    click.option(
        "--no-ties", "untested", is_flag=True,
        help="Rank by value alone, without testing which ranks cannot be excluded.",
    ),
    click.option(
        "--margin", type=float, metavar="D",
        help="By how much less a result is still not worse than the best.  [default: 0.02; none of "
        "mae, rmse]",
    ),
    across_option,
)  # fmt: skip
