"""featprobe segment"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.common import (
    MASKS,
    device_option,
    loading_options,
    note,
    open_dataset,
    quiet_option,
    split_version_option,
)
from featprobe.cli.log_options import log_option, mirrored, track_results
from featprobe.cli.overlays import drawer, overlays_option, several_overlays
from featprobe.cli.probing import bootstrap_options, notes_of, read_settings, show_results
from featprobe.cli.verb import MAIN, Verb, options

if TYPE_CHECKING:
    from featprobe.evaluation.results import Result
    from featprobe.segmentation.decoder_configs import DecoderConfig

training_options = options(
    options(
        click.option(
            "--decoder", multiple=True, metavar="NAME...",
            help="linear, multi, unet, conv, dpt, knn, logistic, or a baseline: position, unet2d.  "
            "[default: linear]",
        ),
        click.option(
            "--preset", metavar="NAME",
            help="All settings of a study: rad-seg-linear, rad-seg-unet, dinov2-seg-linear, "
            "eva-conv. Other options come first.",
        ),
        click.option(
            "--lr", multiple=True, type=click.FloatRange(min=0, min_open=True), metavar="LR...",
            help="Learning rates, trained side by side; val chooses.  [default: 1e-3 to 1e-2, of "
            "linear and multi 3e-3 to 1e-1, and beyond]",
        ),
        click.option(
            "--epochs", type=click.FloatRange(min=0, min_open=True),
            help="Times that the frames of train are passed through.  [default: 10]",
        ),
        group=MAIN,
    ),
    click.option(
        "--loss", type=click.Choice(["ce", "dice", "dice_ce"]),
        help="Cross-entropy, soft Dice (MONAI), or both.  [default: dice_ce]",
    ),
    click.option("--batch", type=click.IntRange(min=1), metavar="FRAMES", help="[default: 32]"),
    click.option(
        "--seeds", multiple=True, type=click.IntRange(min=0), metavar="SEED...",
        help="Of first weights, trained side by side; scores are means over them.  [default: 0]",
    ),
    click.option("--refit", is_flag=True, help="Train the chosen one again on train and val."),
    click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE...",
        help="Options of the decoder (widths=[64,32]) and of training (optimizer=sgd scale=8).",
    ),
    group="Training",
)  # fmt: skip
way_options = options(
    options(
        click.option(
            "--shots", multiple=True, type=click.IntRange(min=1), metavar="N...",
            help="Learn from so many items of train; a row for each.",
        ),
        group=MAIN,
    ),
    click.option("--tries", default=5, show_default=True, type=click.IntRange(min=1),
        help="Draws of --shots."),
    click.option(
        "--draw", default="drawn", show_default=True, type=click.Choice(["drawn", "spaced"]),
        help="How shots are taken: at random, or evenly spaced (one try).",
    ),
    click.option(
        "--choose-on-val", is_flag=True,
        help="With --shots: val chooses among rates, as RAD does; else it is not looked at.",
    ),
    click.option("--folds", type=click.IntRange(min=3), metavar="K",
        help="Cross-validation by patient in K folds instead of the split."),
    click.option(
        "--select", default="dice", show_default=True, type=click.Choice(["dice", "log_loss"]),
        help="By what val chooses.",
    ),
    click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0),
        help="Of the split, of draws and of the order of frames."),
    split_version_option,
    group="Split and selection",
)  # fmt: skip


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe extract --model dinov2_vits14 --data ./hippocampus --features tokens
  featprobe segment --data ./hippocampus
  featprobe segment --data ./hippocampus --decoder linear knn logistic position
  featprobe segment --data ./hippocampus --decoder unet --lr 1e-4 1e-3 1e-2 --seeds 0 1 2
  featprobe segment --data ./hippocampus --shots 1 2 4 8 16 --draw spaced
  featprobe segment --data montgomery --preset rad-seg-linear --model dinov2_vitl14
  featprobe segment --data ./hippocampus --decoder linear --save hippo.safetensors
  featprobe segment --data ./hippocampus --decoder conv --overlays conv.png
""",
)
@click.option(
    "--data", required=True,
    help="The images and masks that tokens were extracted of: catalog name, folder, CSV manifest.",
)  # fmt: skip
@click.option("--model", multiple=True, metavar="NAME...", help="Only these backbones.")
@training_options
@way_options
@options(
    click.option(
        "--image-size", multiple=True, type=int, metavar="PIXELS...",
        help="Only tokens of these input sizes.",
    ),
    group="Backbone",
)  # fmt: skip
@click.option(
    "--save", "save_to", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the chosen decoder to FILE.safetensors for 'featprobe predict'.",
)  # fmt: skip
@options(overlays_option, group="Output")
@options(click.option("--title", default="", help="Its name in tables."), group="Output")
@device_option
@loading_options
@quiet_option
@log_option
@bootstrap_options
def command(
    data: str, model: tuple[str, ...], decoder: tuple[str, ...], preset: str | None,
    lr: tuple[float, ...], epochs: float | None, loss: str | None, batch: int | None,
    seeds: tuple[int, ...], refit: bool, settings: tuple[str, ...], shots: tuple[int, ...],
    tries: int, draw: str, choose_on_val: bool, folds: int | None, select: str, seed: int,
    split_version: int, image_size: tuple[int, ...], save_to: Path | None, overlays: Path | None,
    title: str, device: str, quiet: bool, log: tuple[str, ...], resamples: int,
    cache: str | None, as_json: bool,
    **loading: Any,
) -> None:  # fmt: skip
    """Segment images by decoders on cached patch tokens; scores in the voxels of the images."""
    from featprobe.segmentation.decoder_configs import decoder_configs

    if folds and shots:
        raise click.UsageError("--folds and --shots are two ways to split: give one")
    if save_to is not None and (folds or shots):
        raise click.UsageError("--save is of one fit: leave --folds and --shots out")
    if overlays is not None and (folds or shots):
        raise click.UsageError("--overlays are of one fit: leave --folds and --shots out")
    values = {"epochs": epochs, "batch": batch, "lr": list(lr) or None, "loss": loss}
    values = {k: v for k, v in values.items() if v is not None}
    wanted = decoder_configs(decoder, preset, {**values, "seed": seed, **read_settings(settings)})
    if save_to is not None and len(wanted) > 1:
        raise click.UsageError("--save is of one decoder: give one --decoder")
    from featprobe.core.stopwatch import Stopwatch
    from featprobe.evaluation.protocols import CrossVal, Full
    from featprobe.segmentation.partition import Shots

    way: Any = Full(seed=seed, split_version=split_version)
    if folds:
        way = CrossVal(folds, seed=seed, split_version=split_version)
    if shots:
        way = Shots(tuple(shots), tries, draw, choose_on_val or bool(preset), seed, split_version)
    loading["task"] = None if loading["task"] == MASKS else loading["task"]
    dataset = open_dataset(data, cache, loading)
    for text in dataset.notes:
        note(f"{dataset.name}: {text}")
    how = {
        "seeds": seeds or (0,), "select": select, "refit": refit, "resamples": resamples,
        "cache": cache, "device": device, "label": title or (preset or ""),
        "seen": drawer(overlays, note), "progress": False if quiet else "json" if as_json else True,
    }  # fmt: skip
    from featprobe.extraction.elsewhere import decoded_elsewhere

    config = {"data": dataset.name, "decoder": " ".join(w.decoder.name for w in wanted)}
    logged = mirrored(log, "segment", config, cache)
    with Stopwatch() as watch, logged, decoded_elsewhere(dataset):
        _run(dataset, model, image_size, wanted, way, how, save_to, overlays, as_json, title)
    if not quiet:
        note(f"time: {watch.summary()}")


def _run(
    dataset: Any, model: Sequence[str], sizes: Sequence[int], wanted: Sequence[DecoderConfig],
    way: Any, how: dict[str, Any], save_to: Path | None, overlays: Path | None, as_json: bool,
    title: str,
) -> None:  # fmt: skip
    """Every decoder on every set of tokens; what cannot be done is named and the rest goes on."""
    from featprobe.core.errors import FeatprobeError, InputError
    from featprobe.features.tokens import every_tokens
    from featprobe.segmentation.items import MaskedItems
    from featprobe.segmentation.run import segment

    sets = every_tokens(dataset, model, cache=how["cache"], image_sizes=sizes)
    if save_to is not None and len(sets) > 1:
        raise InputError(
            f"--save is of one set of tokens, not {len(sets)}: choose by --model and --image-size"
        )
    several_overlays(overlays, len(sets) * len(wanted))
    found: list[Result] = []
    problems, alone = [], set()
    for tokens in sets:
        by_scale: dict[int, MaskedItems] = {}
        for one in wanted:
            place = (one.decoder.name, tokens.size)
            if one.decoder.alone and place in alone:
                continue  # a baseline looks at no backbone
            alone.add(place)
            where = f"{tokens.dataset} / {tokens.backbone}, {one.decoder.name}"
            try:
                one = one.on(tokens.features)
                scale = one.training.scale
                items = by_scale.setdefault(scale, MaskedItems(tokens, scale))
                more = {**how, "refit": how["refit"] or one.refit, "training": one.training}
                made = segment(items, one.decoder, way, save=True, save_to=save_to, **more)
            except FeatprobeError as error:
                problems.append(error)
                line = str(error)
                note(f"left aside: {line if where.split(',')[0] in line else f'{where}: {line}'}")
                continue
            found += made
            track_results(made)
            if as_json:
                for result in made:
                    print(result.to_json(), flush=True)
    if not found:
        raise problems[0]
    if as_json:
        for text in dict.fromkeys(notes_of(found)):
            note(text)
    show_results(found, as_json, title or "segmentation")
    if save_to is not None:
        note(f"new images: featprobe predict {save_to} --data ...")
