"""The options of all verbs that choose on validation data."""

from __future__ import annotations

from typing import Any

import click

from featprobe.cli.verb import options

select_option = options(
    click.option(
        "--select", metavar="auto|ranking|log_loss|METRIC",
        help="By what val chooses. auto: the metric that ranks, or log_loss where that sees the "
        "order of scores alone (AUROC).  [default: auto, or as a preset's study does]",
    ),
    group="Split and selection",
)  # fmt: skip
threshold_option = options(
    click.option(
        "--threshold", metavar="youden|f1|sens=0.95|spec=0.95|P|none",
        help="How the thresholds of two classes and of labels are chosen on val.  "
        "[default: youden]",
    ),
    group="Split and selection",
)  # fmt: skip
select_options = options(
    select_option,
    click.option(
        "--one-se/--no-one-se", default=None,
        help="Of candidates that val cannot tell apart the most regularised one.  [default: on]",
    ),
    threshold_option,
    group="Split and selection",
)  # fmt: skip


def chosen_by(
    select: str | None,
    one_se: bool | None,
    threshold: str | None,
    study: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The keyword arguments of ``evaluate`` that the options stand for; ``study``: a preset's.

    Raises :class:`~featprobe.core.errors.InputError` for what no task is chosen by.
    """
    from featprobe.metrics.thresholds import rule_of
    from featprobe.probes.selection import selectable

    out = {} if select is not None else dict(study or {})
    if select is not None:
        selectable(select)
        out["select"] = select
    if one_se is not None:
        out["one_se"] = one_se
    if threshold is not None:
        out["threshold"] = rule_of(threshold)
    return out
