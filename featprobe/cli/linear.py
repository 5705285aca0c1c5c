"""featprobe linear"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.probing import probe_options, run_probe, save_option, set_option
from featprobe.cli.protocol_options import one_way, split_protocols, way_options
from featprobe.cli.requested_probe import RequestedProbe
from featprobe.cli.seeds import under_each
from featprobe.cli.selection_options import chosen_by, select_options
from featprobe.cli.verb import Verb, options

if TYPE_CHECKING:
    from featprobe.features.feature_set import FeatureSet
    from featprobe.probes.base import Probe

OPTIONS = {
    "Cs": "--C", "standardize": "--no-standardize", "class_weight": "--balanced",
    "solver": "--solver", "tol": "--tol",
}  # fmt: skip


head_options = options(
    click.option("--no-refit", is_flag=True, help="Test the fit on train alone, without val."),
    click.option("--no-standardize", is_flag=True, help="Use the features as they are."),
    click.option("--balanced", is_flag=True, help="Of logistic: classes weigh the same."),
    click.option(
        "--solver", type=click.Choice(["batched", "sklearn"]),
        help="Of logistic: sklearn is a plain loop of its fits.",
    ),
    click.option(
        "--tol", type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Of logistic: how far from its minimum, as a part of it, the objective may end.  "
        "[default: 1e-8, of large features 1e-7]",
    ),
    click.option(
        "--calibrate", is_flag=True, help="Scale the scores by a temperature (Guo et al. 2017)."
    ),
    group="Probe",
)  # fmt: skip


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe linear
  featprobe linear --data nih_cxr --features cls mean cls+mean
  featprobe linear --features "dinov2_vits14:cls + resnet50:mean"   side by side
  featprobe linear --C 0.01 1 100 --no-refit
  featprobe linear --select balanced_accuracy --data ham10000
  featprobe linear --subset 0.01 0.1 1   with 1 %, 10 % and all of the patients of train and val
  featprobe linear --preset dinov2-linear --model dinov2_vits14
  featprobe linear --probe ridge --pca 64
  featprobe linear --probe mlp --seed 0 1 2   mean, deviation, interval under new seeds and patients
  featprobe linear --probe transformer --features tokens --set depth=2   blocks on frozen tokens
  featprobe linear --probe mlp --set width=[64,256] --data aptos
  featprobe linear --data nih_cxr --model dinov2_vitb14 --save nih.safetensors
""",
)
@click.option(
    "--probe", default="logistic", show_default=True, metavar="NAME",
    help="logistic, ridge, sgd (heads trained by gradient steps), ordinal, mlp, attentive (weighs "
    "slices), transformer (blocks on frozen tokens), or another probe.",
)  # fmt: skip
@click.option(
    "--preset", metavar="NAME",
    help="All settings of a study: dinov2-linear, dinov2-logreg, rad-linear, wacv-linear, "
    "medmnist-linear, freeze. --features and --set come first.",
)  # fmt: skip
@click.option(
    "--C", "cs", multiple=True, type=click.FloatRange(min=0, min_open=True), metavar="C...",
    help="Candidates of logistic and ordinal.  [default: 45 values from 1e-6 to 1e5]",
)  # fmt: skip
@head_options
@set_option
@way_options
@save_option
@select_options
@probe_options
@click.pass_context
def command(
    ctx: click.Context,
    probe: str,
    preset: str | None,
    cs: tuple[float, ...],
    no_refit: bool,
    no_standardize: bool,
    balanced: bool,
    solver: str | None,
    tol: float | None,
    calibrate: bool,
    settings: tuple[str, ...],
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
    """A linear (or small) head on cached features; settings chosen on val, refit, one test."""
    from featprobe.probes.calibrated import CalibratedProbe
    from featprobe.probes.presets import of_verb

    one_way(repeats, subset, common["save_to"], folds)
    own = {
        "Cs": sorted(set(cs)) or None,
        "standardize": False if no_standardize else None,
        "class_weight": "balanced" if balanced else None,
        "solver": solver,
        "tol": tol,
    }
    provided = {k: v for k, v in own.items() if v is not None}
    study = of_verb(preset, "linear") if preset else None
    asked = RequestedProbe.of(ctx, probe, settings, study, provided, OPTIONS)
    common["view"] = asked.views(common["view"])

    def made(features: FeatureSet) -> Probe:
        found = asked.on(features)
        return CalibratedProbe(found) if calibrate and found.name != "calibrated" else found

    def way(seed: int) -> list[Any]:
        return split_protocols(
            subset, folds, repeats=repeats, refit=asked.refit and not no_refit, seed=seed,
            split_version=split_version,
        )  # fmt: skip

    run_probe(
        made,
        under_each(seeds, way),
        title=preset or f"{probe} probe",
        how=chosen_by(select, one_se, threshold, asked.how),
        **common,
    )
