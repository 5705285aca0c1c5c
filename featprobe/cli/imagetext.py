"""What the verbs of image-text models share: options, and the feature sets they can use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from featprobe.cli.common import cache_option, cached_name, json_option, note, options

if TYPE_CHECKING:
    from featprobe.features import FeatureSet

R = TypeVar("R")

data_options = options(
    click.option("--data", multiple=True, metavar="NAME...", help="Only these data sets."),
    click.option("--model", multiple=True, metavar="NAME...", help="Only these backbones."),
    click.option(
        "--checkpoint", metavar="NAME",
        help="Hub id or folder that has both towers, where the features name another place.",
    ),
)  # fmt: skip
bootstrap_options = options(
    click.option(
        "--resamples", default=1000, show_default=True, type=click.IntRange(min=10),
        help="Of the patient-clustered bootstrap.",
    ),
    cache_option,
    json_option,
)  # fmt: skip


def on_each(
    run: Callable[[FeatureSet], R], *, data: Sequence[str], model: Sequence[str], cache: str | None
) -> list[R]:
    """What ``run`` gives on each chosen feature set that holds projections.

    A set on which it fails is named on standard error and the rest goes on; when all fail, the
    first reason is the error.
    """
    from featprobe import settings
    from featprobe.errors import FeatprobeError, InputError
    from featprobe.features import FeatureSet
    from featprobe.store.cache import find

    root = settings.feature_root(cache)
    stores, notes = find(root, [cached_name(d) for d in data], model)
    for text in notes:
        note(f"left aside: {text}")
    able = [s for s in stores if "projection" in s.layout.arrays]
    if not able:
        raise InputError(
            f"no complete feature set with a projection {'among those named ' if stores else ''}"
            f"in {root}; make one with 'featprobe extract --model clip_vitb32 --data DATA'"
        )
    done: list[R] = []
    problems: list[FeatprobeError] = []
    for store in able:
        try:
            done.append(run(FeatureSet(store)))
        except FeatprobeError as error:
            problems.append(error)
            if len(able) > 1:
                where = f"{store.dataset} / {store.backbone}"
                note(f"left aside: {where}: {str(error).removeprefix(f'{where}: ')}")
    if not done:
        raise problems[0]
    return done
