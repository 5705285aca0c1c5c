"""Metrics of verbs that run for long, mirrored elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.verb import options

if TYPE_CHECKING:
    from featprobe.evaluation.results import Result

log_option = options(
    click.option(
        "--log", multiple=True, metavar="CLIENT...",
        type=click.Choice(["wandb", "mlflow", "tensorboard"]),
        help="Mirror metrics to wandb, mlflow or tensorboard, by its own client and variables.",
    ),
    group="Output",
)  # fmt: skip


def mirrored(
    log: tuple[str, ...], verb: str, config: Mapping[str, Any], cache: str | None
) -> AbstractContextManager[None]:
    """Metrics are mirrored meanwhile; of several processes the first one does it."""
    from featprobe.core.paths import cache_root
    from featprobe.core.tracking import tracking

    if not log or int(os.environ.get("RANK", "0")):
        return nullcontext()
    begun = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    folder = cache_root(cache) / "logs" / f"{verb}-{begun}-{os.getpid()}"
    name = " ".join([verb, *(str(config[k]) for k in ("data", "model") if k in config)])
    return tracking(log, name, {"verb": verb, **config}, folder)


def track_results(found: Iterable[Result]) -> None:
    """Hand over what results reached on test."""
    from featprobe.core.tracking import track

    for r in found:
        track({f"test/{n}": v for n, v in r.metrics.items() if ":" not in n})
