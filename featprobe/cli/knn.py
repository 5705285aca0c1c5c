"""featprobe knn"""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from featprobe.cli.probing import probe_options, run_probe, save_option
from featprobe.cli.protocol_options import one_way, split_protocols, way_options
from featprobe.cli.selection_options import chosen_by, select_options
from featprobe.cli.verb import Verb, options

# The settings of published studies: Oquab et al. 2023 (dinov2), Baharoon et al. 2023 (rad), Huix et
# al. 2024 (wacv), Doerrich et al. 2024 (medmnist).
PRESETS: dict[str, dict[str, Any]] = {
    "dinov2": {
        "probe": "knn", "k": (10, 20, 100, 200), "metric": "cosine", "vote": "softmax",
        "temperature": 0.07, "select": "accuracy", "one_se": False,
    },
    "rad": {
        "probe": "mlknn", "k": (5, 20, 50, 100, 200), "metric": "cosine", "smoothing": 1.0,
        "select": "auroc", "one_se": False,
    },
    "wacv": {
        "probe": "knn", "k": (200,), "metric": "cosine", "vote": "softmax", "temperature": 0.1,
    },
    "medmnist": {"probe": "knn", "k": (11,), "metric": "l2", "vote": "uniform"},
}  # fmt: skip
OWN = {"knn": ("temperature", "vote"), "mlknn": ("smoothing",)}  # options of one probe only


def _use_preset(ctx: click.Context, _: click.Parameter, name: str | None) -> str | None:
    """Make the preset's values the defaults, so that options given beside it come first."""
    ctx.default_map = {**(ctx.default_map or {}), **(PRESETS[name] if name else {})}
    return name


search_options = options(
    options(
        click.option(
            "--metric", default="cosine", show_default=True, type=click.Choice(["cosine", "l2"]),
            help="By what neighbours are near.",
        ),
        click.option(
            "--vote", default="softmax", show_default=True,
            type=click.Choice(["softmax", "uniform", "distance"]), help="What a neighbour weighs.",
        ),
        click.option(
            "--temperature", default=0.07, show_default=True, help="Of the softmax vote."
        ),
        click.option(
            "--smoothing", default=1.0, show_default=True, help="Of mlknn; 1 is Laplace's."
        ),
        group="Probe",
    ),
    options(
        click.option(
            "--index", default="auto", show_default=True,
            type=click.Choice(["auto", "flat", "ivf", "hnsw", "ivfpq"]),
            help="flat is exact; the others are approximate and say their recall. auto: flat until "
            "it would take about a minute, then ivfpq.",
        ),
        click.option(
            "--nprobe", type=click.IntRange(min=1),
            help="Lists that ivf and ivfpq search.  [default: 16, doubled until recall is 0.95]",
        ),
        click.option(
            "--ef", type=click.IntRange(min=1),
            help="Candidates that hnsw keeps.  [default: 128, doubled until recall is 0.95]",
        ),
        click.option(
            "--device", default="auto", show_default=True,
            type=click.Choice(["auto", "cpu", "cuda"]), help="Of the exact search.",
        ),
        group="Device and speed",
    ),
)  # fmt: skip


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe knn                            every feature set in the cache, k = 20
  featprobe knn --k 1 5 20 --data nih_cxr  a row for each k; the one chosen on val is marked
  featprobe knn --k 11 --metric l2 --vote uniform
  featprobe knn --preset dinov2 --k 20     a study's settings, but for k
  featprobe knn --probe mlknn --k 5 20 50 --data nih_cxr
  featprobe knn --index ivfpq            approximate, with the recall it reached
""",
)
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), is_eager=True, expose_value=False,
    callback=_use_preset, help="Settings of a study; options given beside it come first.",
)  # fmt: skip
@click.option(
    "--probe", default="knn", show_default=True, type=click.Choice(["knn", "mlknn"]),
    help="mlknn: maximum a posteriori of each label (Zhang & Zhou 2007).",
)  # fmt: skip
@click.option(
    "--k", multiple=True, type=click.IntRange(min=1), default=(20,), show_default=True,
    metavar="K...", help="Numbers of neighbours.",
)  # fmt: skip
@search_options
@click.option(
    "--loo", is_flag=True, help="Leave one out: each item is scored by all other patients."
)
@way_options
@save_option
@select_options
@probe_options
@click.pass_context
def command(
    ctx: click.Context,
    probe: str,
    k: tuple[int, ...],
    metric: str,
    vote: str,
    temperature: float,
    smoothing: float,
    index: str,
    nprobe: int | None,
    ef: int | None,
    device: str,
    loo: bool,
    subset: tuple[float, ...],
    folds: int | None,
    repeats: int,
    seed: int,
    select: str | None,
    one_se: bool | None,
    threshold: str | None,
    split_version: int,
    **common: Any,
) -> None:
    """k nearest neighbours (FAISS, exact) with DINOv2's softmax vote, or ML-kNN."""
    from featprobe.evaluation.evaluate import make_probe
    from featprobe.evaluation.protocols import LeaveOneOut

    own = {"temperature": temperature, "vote": vote, "smoothing": smoothing}
    for name in own:
        if name not in OWN[probe] and ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} is not an option of --probe {probe}", ctx)
    params = {
        "k": sorted(set(k)), "metric": metric, "index": index, "nprobe": nprobe, "ef": ef,
        "device": device, **{name: own[name] for name in OWN[probe]},
    }  # fmt: skip
    one_way(repeats, subset, common["save_to"], folds, loo)
    if loo and (select, one_se, threshold) != (None, None, None):
        raise click.UsageError("--select is of val, which --loo does not look at", ctx)
    way = split_protocols(subset, folds, repeats=repeats, seed=seed, split_version=split_version)
    run_probe(
        lambda: make_probe(probe, **params),
        [LeaveOneOut(seed)] if loo else way,
        title="k nearest neighbours" if probe == "knn" else "ML-kNN",
        how=chosen_by(select, one_se, threshold),
        **common,
    )
