"""Several seeds of one probing command: each is run and kept, their mean is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.common import note
from featprobe.cli.verb import options

if TYPE_CHECKING:
    from featprobe.evaluation.results import Result

seeds_option = options(
    click.option(
        "--seed", "seeds", multiple=True, default=(0,), show_default=True,
        type=click.IntRange(min=0), metavar="SEED...",
        help="Of the split and of all draws. Of several each is run (probes that draw take it, "
        "too), and the mean over them is shown.",
    ),
    group="Split and selection",
)  # fmt: skip


def under_each(seeds: Sequence[int], way: Callable[[int], Sequence[Any]]) -> list[Any]:
    """The protocols that ``way`` gives for each seed."""
    return [protocol for seed in dict.fromkeys(seeds) for protocol in way(seed)]


def seeded(probe: Any, protocols: Sequence[Any], protocol: Any) -> Any:
    """The probe under a protocol: with its seed where there are several and the probe draws."""
    several = len({p.seed for p in protocols}) > 1
    return probe.set_params(seed=protocol.seed) if several and _draws(probe) else probe


def called(protocol: Any, protocols: Sequence[Any]) -> str:
    """What tells one of several protocols from the others: ``--subset 0.1, --seed 2``."""
    parts = [f"--subset {protocol.subset:g}"] if hasattr(protocol, "subset") else []
    several = len({p.seed for p in protocols}) > 1
    return ", ".join([*parts, *([f"--seed {protocol.seed}"] if several or not parts else [])])


def _draws(probe: Any) -> bool:
    return "seed" in probe.get_params(deep=False)


def joined(found: Sequence[Result], seeds: Iterable[int], cache: str | None) -> list[Result]:
    """Results of several seeds as their means, what val has chosen alone; of one seed as they are.

    See :mod:`featprobe.evaluation.seed_means`; what cannot be joined is said.
    """
    if len(set(seeds)) < 2:
        return list(found)
    from featprobe.core import paths
    from featprobe.evaluation.seed_means import over_seeds

    means, apart = over_seeds(paths.cache_root(cache), [r for r in found if r.selected])
    for text in apart:
        note(f"not joined over seeds: {text}")
    return means
