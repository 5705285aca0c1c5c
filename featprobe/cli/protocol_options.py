"""How a probing verb splits: once, in subsets, often, in folds, or leaving one patient out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from featprobe.cli.verb import options

way_options = options(
    click.option(
        "--subset", multiple=True, type=click.FloatRange(0, min_open=True), metavar="F|N...",
        help="Cut train and val to this fraction of their patients, or train to this number of "
        "items (2, 3, ...), test stays; one run for each.  [default: 1, all]",
    ),
    click.option(
        "--folds", type=click.IntRange(min=3), metavar="K",
        help="Cross-validation by patient in K folds instead of the split.",
    ),
    click.option(
        "--repeats", default=1, show_default=True, type=click.IntRange(min=1), metavar="N",
        help="Split so often, with an official test fit so often to 80 % of the patients: the "
        "interval is then of new training sets too.",
    ),
    group="Split and selection",
)  # fmt: skip


def full(subset: Sequence[float], **fields: Any) -> list[Any]:
    """Train, val and test, once for each fraction of ``--subset``."""
    from featprobe.evaluation.protocols import Full

    return [Full(subset=f, **fields) for f in dict.fromkeys(subset or (1.0,))]


def split_protocols(
    subset: Sequence[float], folds: int | None, *, repeats: int, refit: bool = True, **drawn: Any
) -> list[Any]:
    """Cross-validation in ``--folds``, or train, val and test for each ``--subset``.

    ``drawn``: the ``seed`` and ``split_version`` of either.
    """
    from featprobe.evaluation.protocols import CrossVal

    if folds:
        return [CrossVal(folds, **drawn)]
    return full(subset, refit=refit, repeats=repeats, **drawn)


def one_way(
    repeats: int,
    subset: Sequence[float],
    save_to: Path | None,
    folds: int | None,
    loo: bool = False,
) -> None:
    """:class:`click.UsageError` for options that exclude each other."""
    if loo and folds:
        raise click.UsageError("--loo and --folds are two ways to test: give one")
    other = "--loo" if loo else "--folds" if folds else ""
    if subset and other:
        raise click.UsageError(f"--subset is of train and val: leave {other} out")
    if repeats > 1 and other:
        raise click.UsageError(f"--repeats is of train, val and test: leave {other} out")
    if repeats > 1 and save_to:
        raise click.UsageError("--save is of one fit: leave --repeats out")
