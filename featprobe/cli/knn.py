"""featprobe knn"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from featprobe.cli.probing import probe_options, run_probe, save_option
from featprobe.cli.protocol_options import one_way, split_protocols, way_options
from featprobe.cli.seeds import under_each
from featprobe.cli.selection_options import chosen_by, select_options
from featprobe.cli.verb import Verb, options

if TYPE_CHECKING:
    from featprobe.features.feature_set import FeatureSet
    from featprobe.probes.base import Probe

PRESETS = ("dinov2", "rad", "wacv", "medmnist")
OWN = {
    "knn": ("temperature", "vote"),
    "mlknn": ("smoothing", "own_neighbour"),
}  # options of one probe only


def _use_preset(ctx: click.Context, _: click.Parameter, name: str | None) -> str | None:
    """Make the preset's values the defaults, so that options given beside it come first."""
    if name:
        from featprobe.probes.presets import of_verb

        study = of_verb(name, "knn")
        ctx.default_map = {
            **(ctx.default_map or {}), **study.params, **study.how, "probe": study.probe,
        }  # fmt: skip
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
        click.option(
            "--own-neighbour", is_flag=True,
            help="Of mlknn: a training item is one of its own neighbours, as in RAD's code.",
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
    "--preset", type=click.Choice(PRESETS), is_eager=True, callback=_use_preset,
    help="Settings of a study; options given beside it come first.",
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
    preset: str | None,
    probe: str,
    k: tuple[int, ...],
    metric: str,
    vote: str,
    temperature: float,
    smoothing: float,
    own_neighbour: bool,
    index: str,
    nprobe: int | None,
    ef: int | None,
    device: str,
    loo: bool,
    subset: tuple[float, ...],
    folds: int | None,
    repeats: int,
    seeds: tuple[int, ...],
    select: str | None,
    one_se: bool | None,
    threshold: str | None,
    split_version: int,
    **common: Any,
) -> None:
    """k nearest neighbours (FAISS, exact) with DINOv2's softmax vote, or ML-kNN."""
    from featprobe.evaluation.evaluate import make_probe
    from featprobe.evaluation.protocols import LeaveOneOut
    from featprobe.probes.presets import of_verb

    def typed(name: str) -> bool:
        return ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE

    own = {
        "temperature": temperature, "vote": vote, "smoothing": smoothing,
        "own_neighbour": own_neighbour,
    }  # fmt: skip
    shared = {
        "k": sorted(set(k)), "metric": metric, "index": index, "nprobe": nprobe, "ef": ef,
        "device": device,
    }  # fmt: skip
    study = of_verb(preset, "knn") if preset and not typed("probe") else None
    # a preset may be ML-kNN of labels and a vote of classes
    used = {p.probe for p in (study, *study.variants)} if study else {probe}
    for name in own:
        if typed(name) and not any(name in OWN[p] for p in used):
            raise click.UsageError(
                f"--{name.replace('_', '-')} is not an option of --probe {probe}", ctx
            )

    def made(features: FeatureSet) -> Probe:
        name, values = probe, dict(own)
        if study is not None:
            variant = study.on(features)
            name = variant.probe
            values |= {n: v for n, v in variant.params.items() if n in own and not typed(n)}
        return make_probe(name, **shared, **{n: values[n] for n in OWN[name]})

    if preset:
        common["view"] = common["view"] or of_verb(preset, "knn").views
    one_way(repeats, subset, common["save_to"], folds, loo)
    if loo and any(typed(n) for n in ("select", "one_se", "threshold")):
        raise click.UsageError("--select is of val, which --loo does not look at", ctx)
    if loo and len(set(seeds)) > 1:
        raise click.UsageError("--loo draws nothing: give one --seed", ctx)

    def way(seed: int) -> list[Any]:
        return split_protocols(
            subset, folds, repeats=repeats, seed=seed, split_version=split_version
        )

    run_probe(
        made,
        [LeaveOneOut(seeds[0])] if loo else under_each(seeds, way),
        title=preset or ("k nearest neighbours" if probe == "knn" else "ML-kNN"),
        how={} if loo else chosen_by(select, one_se, threshold),
        **common,
    )
