"""Options and output that verbs share."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.verb import MAIN, options

if TYPE_CHECKING:
    from featprobe.datasets.base import Dataset

split_version_option = options(
    click.option(
        "--split-version", type=click.IntRange(1, 2), default=2, show_default=True,
        help="1: splits and draws as results have them that say no version.",
    ),
    group="Split and selection",
)  # fmt: skip
cache_option = options(
    click.option(
        "--cache", type=str, metavar="DIR",
        help="Where stores and results live, or s3://... for stores.  [default: $FEATPROBE_CACHE]",
    ),
    group="Output",
)  # fmt: skip
json_option = options(
    click.option(
        "--json", "as_json", is_flag=True, help="One JSON object a line on standard output."
    ),
    group="Output",
)  # fmt: skip
quiet_option = options(click.option("--quiet", is_flag=True, help="No progress."), group="Output")
batch_option = options(
    click.option(
        "--batch-size", type=click.IntRange(min=1), help="[default: 16 on a CPU, else 128]"
    ),
    group="Device and speed",
)
workers_option = options(
    click.option(
        "--workers", type=click.IntRange(min=0),
        help="Decode processes of a device; 0: none apart.  [default: its share of cores, at most "
        "8, of a GPU 16]",
    ),
    group="Device and speed",
)  # fmt: skip
device_option = options(
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N."),
    group="Device and speed",
)
choice_options = options(
    click.option("--data", multiple=True, metavar="NAME...", help="Only these data sets."),
    click.option("--model", multiple=True, metavar="NAME...", help="Only these backbones."),
)
across_option = click.option(
    "--across", multiple=True, type=click.Choice(["image-size", "selection", "seed"]),
    help="Rank results together that differ in this, which are leagues of their own otherwise.",
)  # fmt: skip
model_options = options(
    options(
        click.option(
            "--model", required=True,
            help="Catalog name, hub id (org/name), folder, YAML, timm:NAME or open_clip:ARCH:TAG.",
        ),
        click.option(
            "--data", required=True,
            help="Catalog name, folder, CSV manifest, MedMNIST npz, volume or DICOM file.",
        ),
        click.option("--init", type=click.Choice(["random"]), help="Random weights, the control."),
        group=MAIN,
    ),
    click.option(
        "--weights", multiple=True, type=click.Path(path_type=Path), metavar="FILE...",
        help="A checkpoint file: safetensors or the original authors' .pth.",
    ),
    click.option("--revision", help="Of the hub id."),
    click.option(
        "--strip-prefix", default="", metavar="PREFIX",
        help="What the keys of that file begin with, where it is not recognised: net.encoder.",
    ),
    click.option(
        "--ignore-keys", multiple=True, metavar="PATTERN...",
        help="Keys of that file that do not belong to the network: 'head.*'.",
    ),
    click.option("--image-size", type=int, metavar="PIXELS", help="Other than the checkpoint's."),
    click.option(
        "--transform", metavar="NAME,PART=N,...",
        help="Other than the checkpoint's: authors, hub, or a study's (rad, rad-linear, rad-seg, "
        "wacv, freeze, dinov2, medmnist), then squash=256 or shorter=256 or none, crop=224, "
        "bilinear, bicubic, mean=A/B/C, std=A/B/C, stats=imagenet, channels=1.",
    ),
    group="Backbone",
)  # fmt: skip
MASKS = "segmentation"  # the task of masks, which are no labels of items
label_options = options(
    options(
        click.option(
            "--label", multiple=True, metavar="COLUMN...",
            help="Label columns of a table; none: no labels; of a folder: none, folder, parent.",
        ),
        group=MAIN,
    ),
    click.option(
        "--task", type=click.Choice(["multiclass", "multilabel", "ordinal", "regression", MASKS]),
        help=f"Of a table's labels; {MASKS}, of masks, is for 'finetune' and 'segment'.",
    ),
    click.option("--separator", metavar="TEXT", help="Between several labels in one cell."),
    click.option(
        "--uncertain", type=click.Choice(["ignore", "zeros", "ones", "own"]),
        help="What -1 beside 0 and 1 is: unknown, 0, 1, a label of its own.  [default: ignore]",
    ),
    click.option(
        "--missing", multiple=True, metavar="VALUE...",
        help="Label texts that mean unknown.  [default: blank, NA, NaN, None, null, -1, ...]",
    ),
    group="Labels and patients",
)  # fmt: skip
frame_options = options(
    click.option(
        "--plane", default="auto", show_default=True,
        type=click.Choice(["auto", "axial", "coronal", "sagittal", "all"]), help="Of volumes.",
    ),
    click.option(
        "--frames", default="all", show_default=True,
        help="Which slices: all, n=16, stride=2, foreground.",
    ),
    click.option(
        "--channels", default="grey", show_default=True, type=click.Choice(["grey", "neighbours"]),
        help="neighbours: the slices before and after as colours.",
    ),
    click.option(
        "--intensity", default="auto", show_default=True,
        help="Black and white: auto, dataset (one range for all items), file, minmax, zscore, "
        "none, percentile=A,B, cut=A,B, clamp=A,B, range=A,B, window=C,W, a CT window (lung, "
        "brain, ...), or three joined by + as colours.",
    ),
    click.option(
        "--fit", default="stretch", show_default=True,
        type=click.Choice(["stretch", "pad", "pad-mean"]),
        help="pad: small images are surrounded by black, not enlarged; pad-mean: by the mean "
        "colour.",
    ),
    click.option(
        "--spacing", type=float, metavar="MM", help="Resample volumes to this voxel size."
    ),
    click.option(
        "--channel", type=click.IntRange(min=0), help="Which volume of a file with four axes."
    ),
    click.option(
        "--decode", default="host", show_default=True, type=click.Choice(["host", "device"]),
        help="device: plain JPEG files on a CUDA device; other pixels, so other features.",
    ),
    group="Frames and intensity",
)  # fmt: skip
choice_of_labels = options(
    click.option(
        "--labels", multiple=True, metavar="NAME...",
        help="Only these classes, in this order; or a label set of a catalog data set, see "
        "'featprobe data show'.",
    ),
    click.option(
        "--map", "label_map", multiple=True, metavar="OLD=NEW...",
        help="Classes that become another one: Moderate=referable Severe=referable.",
    ),
    group="Labels and patients",
)  # fmt: skip
loading_options = options(
    label_options,
    choice_of_labels,
    options(
        click.option(
            "--group", default="auto", show_default=True,
            help="Patients: auto, none, folder, regex:PATTERN, or a manifest's column.",
        ),
        group=MAIN,
    ),
    click.option(
        "--root", type=click.Path(path_type=Path),
        help="Folder of a catalog data set, or of a manifest's paths.",
    ),
    click.option("--name", help="Name of the data set in the cache."),
    click.option("--path", metavar="COLUMN", help="Of a manifest's file paths."),
    click.option("--key", help="Which array of an npz, HDF5 or MATLAB file."),
    click.option(
        "--option", "catalog_options", multiple=True, metavar="NAME=VALUE...",
        help="Of a catalog data set, see 'featprobe data show NAME'.",
    ),
    click.option(
        "--split", metavar="FILE|NAME",
        help="A file of 'featprobe data split', or a study's split of a catalog data set.",
    ),
    click.option(
        "--split-column", metavar="COLUMN", help="Of a manifest's split; none: no split is read."
    ),
    click.option(
        "--split-map", multiple=True, metavar="NAME=PART...",
        help="train, val, test or none (left out) for names of a split: dev=val.",
    ),
    click.option(
        "--modalities", multiple=True, metavar="COLUMN...",
        help="Path columns of a manifest that make up a study.",
    ),
    click.option(
        "--fusion", default="rgb", show_default=True, type=click.Choice(["rgb", "late"]),
        help="Modalities as colours, or pooled apart and joined.",
    ),
    click.option(
        "--derived", default="skip", show_default=True, type=click.Choice(["skip", "keep"]),
        help="Masks beside images, thumbnails, DICOM SEG, doses and pictures of reports.",
    ),
    click.option(
        "--masks", multiple=True, metavar="PLACE...",
        help="Segmentation masks: a folder (CLASS=FOLDER for one a class), a manifest's column, "
        "none.  [default: images/ beside labels/ or masks/, x_mask, a column mask]",
    ),
    click.option(
        "--mask-classes", multiple=True, metavar="NAME...",
        help="Of the values 0, 1, ... of masks; or NAME=VALUE, NAME=#rrggbb.",
    ),
    frame_options,
    group="Data",
)  # fmt: skip


def unused_keys(origin: Mapping[str, Any]) -> list[str]:
    """What to say of keys of a checkpoint file that a backbone does not use."""
    keys = origin.get("dropped", [])
    if not keys:
        return []
    more = ", ..." if len(keys) > 4 else ""
    return [f"{len(keys)} keys of the file are not used: {', '.join(keys[:4])}{more}"]


def note(text: str) -> None:
    """A line on standard error."""
    from featprobe.cli.safe_output import escaped

    print(escaped(text), file=sys.stderr, flush=True)  # a bar that is shown goes past the edge


def part(text: str) -> tuple[int, int]:
    """``"2/8"`` to (2, 8)."""
    i, slash, n = text.partition("/")
    if not (slash and i.isdecimal() and n.isdecimal()):
        raise click.BadParameter(f"{text!r} is not of the form I/N, such as 2/8")
    return int(i), int(n)


def open_dataset(data: str, cache: str | None, loading: dict[str, Any]) -> Dataset:
    """The data set of ``--data`` with the values of :data:`loading_options`."""
    from featprobe.core.errors import InputError
    from featprobe.datasets.load import load_dataset

    values = dict(loading)
    if values.get("task") == MASKS:
        raise InputError(
            f"--task {MASKS} is for 'featprobe finetune'; on stored tokens, masks are decoded by "
            "'featprobe segment'"
        )
    for text in values.pop("catalog_options"):
        name, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"--option {text!r} is written NAME=VALUE")
        values[name] = value
    return load_dataset(data, cache=cache, **values)
