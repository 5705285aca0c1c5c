"""featprobe finetune"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.common import (
    MASKS,
    device_option,
    loading_options,
    model_options,
    note,
    open_dataset,
    quiet_option,
    split_version_option,
    unused_keys,
    workers_option,
)
from featprobe.cli.level_options import level_options, read_level
from featprobe.cli.log_options import log_option, mirrored, track_results
from featprobe.cli.probing import bootstrap_options, read_settings
from featprobe.cli.selection_options import chosen_by, select_option, threshold_option
from featprobe.cli.verb import MAIN, Verb, options
from featprobe.core.errors import Unfinished

if TYPE_CHECKING:
    from featprobe.evaluation.results import Result

# option -> field of Training
FIELDS = {
    "epochs": "epochs", "batch": "batch", "accumulate": "accumulate", "head_lr": "head_lr",
    "weight_decay": "weight_decay", "layer_decay": "layer_decay", "patience": "patience",
    "view": "view", "pool": "pool", "train_frames": "train_frames", "precision": "precision",
    "ema": "ema", "smoothing": "smoothing", "select": "select",
}  # fmt: skip

training_options = options(
    options(
        click.option(
            "--recipe", metavar="NAME", help="Which parameters train.  [default: full]"
        ),
        click.option(
            "--preset", metavar="NAME", help="Recipe and settings of a study, or of a YAML file."
        ),
        click.option(
            "--epochs", type=click.FloatRange(min=0, min_open=True),
            help="Times that train is passed through.  [default: 20]",
        ),
        click.option(
            "--lr", multiple=True, type=click.FloatRange(min=0, min_open=True), metavar="LR...",
            help="Of the backbone; of several, each a training, val chooses.  [default: the "
            "recipe's]",
        ),
        click.option(
            "--set", "more", multiple=True, metavar="NAME=VALUE...",
            help="Options of the recipe (rank=8, blocks=2) and further settings (clip=1 "
            "ema=0.999).",
        ),
        group=MAIN,
    ),
    click.option(
        "--decoder", metavar="NAME",
        help="With --task segmentation: linear, multi, unet, conv, dpt.  [default: linear]",
    ),
    click.option(
        "--loss", type=click.Choice(["ce", "dice", "dice_ce"]),
        help="With --task segmentation: cross-entropy, soft Dice, or both.  [default: dice_ce]",
    ),
    click.option(
        "--batch", type=click.IntRange(min=1), metavar="ITEMS",
        help="A step's; of frames with --task segmentation.  [default: 32]",
    ),
    click.option(
        "--accumulate", type=click.IntRange(min=1), metavar="PARTS",
        help="In which a batch goes through the network, to save memory.  [default: 1]",
    ),
    click.option(
        "--head-lr", type=float, metavar="LR", help="Of the head.  [default: 0.001, of frozen 0.01]"
    ),
    click.option(
        "--weight-decay", type=float, help="Of all but biases and norms.  [default: 0.05]"
    ),
    click.option(
        "--layer-decay", type=float, help="A block's rate is that of the one above it times this."
    ),
    click.option("--smoothing", type=float, metavar="S", help="Of labels."),
    click.option("--balanced", is_flag=True, help="Classes weigh the same."),
    click.option("--patience", type=click.IntRange(min=1), metavar="EPOCHS",
        help="Stop when val has not become better for so long."),
    click.option("--ema", type=float, metavar="DECAY", help="Keep an average of the weights."),
    click.option(
        "--features", "view", metavar="VIEW",
        help="What the head sees: cls, mean, cls:4, cls+mean.  [default: cls, or mean]",
    ),
    click.option(
        "--pool", type=click.Choice(["mean", "max", "attention"]),
        help="How the slices of a volume become one row.  [default: mean]",
    ),
    click.option(
        "--train-frames", type=click.IntRange(min=1), metavar="N",
        help="At most so many slices of a volume a step, drawn at random.",
    ),
    click.option(
        "--augment", multiple=True, metavar="NAME...",
        help="Of flip, vflip, crop, rotate, brightness, contrast, noise, erase.  [default: none]",
    ),
    click.option("--refit", is_flag=True, help="Train once more on train and val, and test that."),
    group="Training",
)  # fmt: skip
run_options = options(
    options(
        click.option(
            "--subset", multiple=True, type=float, default=(1.0,), metavar="F|N...",
            help="Fractions of train and val, or numbers of training items; one run each.  "
            "[default: 1]",
        ),
        click.option(
            "--seed", "seeds", multiple=True, default=(0,), show_default=True,
            type=click.IntRange(min=0), metavar="SEED...",
            help="Of the split, the order of items and what is drawn; --init random has the first. "
            "Of several each is a training, and the mean over them is shown.",
        ),
        split_version_option,
        select_option,
        threshold_option,
        group="Split and selection",
    ),
    options(
        device_option,
        click.option(
            "--precision", type=click.Choice(["float32", "bf16", "fp16"]),
            help="[default: float32 on a CPU, bf16 on a GPU]",
        ),
        click.option("--checkpointing", is_flag=True, help="Compute blocks twice to save memory."),
        workers_option,
        group="Device and speed",
    ),
    options(
        click.option(
            "--run", "folder", type=click.Path(path_type=Path), metavar="DIR",
            help="Keep the training here.  [default: finetuned/... in the cache]",
        ),
        click.option("--title", default="", help="Its name in tables."),
        quiet_option,
        group="Output",
    ),
)  # fmt: skip


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe finetune --model dinov2_vits14 --data ./chest_xrays --recipe lora --set rank=16
  featprobe finetune --model dinov2_vitb14 --data aptos --lr 1e-4 1e-5 --layer-decay 0.7
  featprobe finetune --model resnet50 --init random --data ./chest_xrays      from scratch
  featprobe finetune --model dinov2_vitl14 --data nih --preset rad-lora --subset 0.01 0.1 1
  featprobe finetune --model dinov2_vits14 --data aptos --seed 0 1 2      their mean, with SD
  featprobe finetune --model dinov2_vits14 --data ./hippocampus --task segmentation --decoder conv
  torchrun --nproc-per-node 4 -m featprobe.cli.main finetune --model ... --data ...

\b
Run again, it goes on where it stopped. The trained backbone is a folder for 'extract --model'.
Recipes: full, last-n, lora, dora, loha, lokr, ia3, bitfit, norm-only, vpt, lp-ft, block-expansion,
frozen. Presets: rad-full, rad-lora, rad-bitfit, wacv, freeze, medmnist.
""",
)
@model_options
@training_options
@run_options
@loading_options
@level_options
@log_option
@bootstrap_options
def command(
    data: str, recipe: str | None, preset: str | None, lr: tuple[float, ...], balanced: bool,
    augment: tuple[str, ...], checkpointing: bool, refit: bool, more: tuple[str, ...],
    subset: tuple[float, ...], seeds: tuple[int, ...], split_version: int, folder: Path | None,
    title: str, device: str, workers: int | None, quiet: bool, resamples: int,
    cache: str | None, as_json: bool,
    model: str, revision: str | None, weights: tuple[Path, ...], init: str | None,
    strip_prefix: str, ignore_keys: tuple[str, ...], transform: str | None,
    image_size: int | None, decoder: str | None, loss: str | None, log: tuple[str, ...],
    **rest: Any,
) -> None:  # fmt: skip
    """Train a backbone, or a part of it, on the split that probes of the data set have."""
    values: dict[str, Any] = {
        field: value for name, field in FIELDS.items() if (value := rest.pop(name)) is not None
    }
    flags = {"balanced": balanced, "checkpointing": checkpointing, "refit": refit}
    values |= {name: True for name, on in flags.items() if on}
    values |= {"lr": list(lr)} if lr else {}
    values |= {"augment": list(augment)} if augment else {}
    reported = read_level({n: rest.pop(n) for n in ("level", "level_by", "study", "subgroup")})
    reported |= chosen_by(None, None, rest.pop("threshold"))
    masks = rest["task"] == MASKS
    if not masks and (decoder or loss):
        raise click.UsageError(f"--decoder and --loss are of masks: add --task {MASKS}")
    dataset = open_dataset(data, cache, {**rest, "task": None} if masks else rest)
    for text in dataset.notes:
        note(f"{dataset.name}: {text}")

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as of extract
    from featprobe.backbones.load import load_backbone
    from featprobe.cli.probing import show_results
    from featprobe.cli.seeds import joined
    from featprobe.core.stopwatch import Stopwatch
    from featprobe.core.threads import cores
    from featprobe.finetuning.dense.settings import segmentation_of
    from featprobe.finetuning.request import request
    from featprobe.finetuning.run import PROBLEMS, finetune

    seeds = tuple(dict.fromkeys(seeds))
    settings = read_settings(more)
    if len(seeds) > 1 and "seed" in settings:
        raise click.UsageError("--seed names several: leave seed out of --set")
    values = {**values, "seed": seeds[0], **settings}
    dense, values = (
        segmentation_of(recipe, preset, decoder, loss, values) if masks else (None, values)
    )
    wanted = request(recipe, preset, values)
    if folder is not None and len(subset) * len(seeds) > 1:
        raise click.UsageError("--run is of one training, not of several --subset or --seed")
    backbone = load_backbone(
        model, init=init, seed=seeds[0], image_size=image_size, weights=list(weights),
        revision=revision, strip_prefix=strip_prefix, ignore_keys=ignore_keys, transform=transform,
    )  # fmt: skip
    for text in unused_keys(backbone.origin):
        note(f"{backbone.name}: {text}")
    wanted = wanted if masks else wanted.on(backbone)
    found: list[Result] = []
    config = {
        "data": dataset.name, "model": backbone.name, "recipe": wanted.recipe.name,
        **wanted.recipe.to_dict(), **wanted.training.to_dict(),
    }  # fmt: skip
    with Stopwatch() as watch, mirrored(log, "finetune", config, cache):
        for fraction, seed in product(subset, seeds):
            training = wanted.training if len(seeds) == 1 else replace(wanted.training, seed=seed)
            made = finetune(
                backbone, dataset, wanted.recipe, training, lrs=wanted.lrs, subset=fraction,
                split_version=split_version, cache=cache, folder=folder, device=device,
                resamples=resamples, **reported, label=title or Path(preset or "").stem,
                workers=min(8, cores()) if workers is None else workers,
                progress=False if quiet else "json" if as_json else True, segmentation=dense,
            )  # fmt: skip
            if int(os.environ.get("RANK", "0")):
                continue  # one of several processes speaks
            found += made
            if as_json and len(seeds) == 1:
                for result in made:
                    print(result.to_json(), flush=True)
        track_results(found)
    shown = joined(found, seeds, cache)
    if as_json and len(seeds) > 1:
        for result in shown:
            print(result.to_json(), flush=True)
    if found and not quiet:
        note(f"time: {watch.summary()}")
    if found and not as_json:
        named = f"finetune {preset or wanted.recipe.name}"
        named += "" if dense is None else f" {dense.network.name}"
        show_results(shown, False, title or named)
        _name_what_is_kept(found)
    problems = [text for result in found for text in result.provenance.get(PROBLEMS, ())]
    if problems:
        raise Unfinished("; ".join(dict.fromkeys(problems)), 1)


def _name_what_is_kept(found: list[Result]) -> None:
    """How the trained backbone and its head are used."""
    from featprobe.finetuning.dense.ending import FILE as DECODER
    from featprobe.finetuning.head_probe import FILE as HEAD

    for result in found:
        kept = Path(result.provenance["folder"])
        if (kept / "backbone").is_dir():
            note(f"trained backbone: featprobe extract --model {kept / 'backbone'} --data ...")
        for name in (HEAD, DECODER):
            if (kept / name).is_file():
                note(f"new images: featprobe predict {kept / name} --data ...")
