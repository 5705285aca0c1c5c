"""featprobe knn"""

from __future__ import annotations

from typing import Any

import click

from featprobe.cli.common import Verb, folds_option, probe_options, run_probe


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe knn                            every feature set in the cache, k = 20
  featprobe knn --k 1 5 20 --data nih_cxr  a row for each k; the one chosen on val is marked
  featprobe knn --k 11 --metric l2 --vote uniform
""",
)
@click.option(
    "--k", multiple=True, type=click.IntRange(min=1), default=(20,), show_default=True,
    metavar="K...", help="Numbers of neighbours.",
)  # fmt: skip
@click.option("--temperature", default=0.07, show_default=True, help="Of the softmax vote.")
@click.option(
    "--metric", default="cosine", show_default=True, type=click.Choice(["cosine", "l2"])
)  # fmt: skip
@click.option(
    "--vote", default="softmax", show_default=True, type=click.Choice(["softmax", "uniform"])
)  # fmt: skip
@folds_option
@probe_options
def command(
    k: tuple[int, ...],
    temperature: float,
    metric: str,
    vote: str,
    folds: int | None,
    seed: int,
    **common: Any,
) -> None:
    """k nearest neighbours (FAISS, exact) with DINOv2's softmax vote."""
    from featprobe.probes.knn import KNNProbe
    from featprobe.protocols import CrossVal, Full

    ks = sorted(set(k))
    run_probe(
        lambda: KNNProbe(k=ks, temperature=temperature, metric=metric, vote=vote),
        CrossVal(folds, seed) if folds else Full(seed=seed), title="k nearest neighbours", **common,
    )  # fmt: skip
