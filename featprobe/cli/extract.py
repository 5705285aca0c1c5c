"""featprobe extract"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featprobe.cli.common import (
    batch_option,
    cache_option,
    device_option,
    json_option,
    loading_options,
    model_options,
    note,
    open_dataset,
    part,
    quiet_option,
    unused_keys,
    workers_option,
)
from featprobe.cli.log_options import log_option, mirrored
from featprobe.cli.masks import describe_masks
from featprobe.cli.verb import MAIN, Verb, options
from featprobe.core.errors import MissingPath

if TYPE_CHECKING:
    from featprobe.core.stopwatch import Stopwatch
    from featprobe.datasets.base import Dataset
    from featprobe.features.feature_set import FeatureSet


extract_options = options(
    options(
        click.option(
            "--features", multiple=True, metavar="NAME...",
            help="Of cls, mean, projection, logits, tokens (tokens:5 keeps five blocks).  "
            "[default: cls mean projection, those there are]",
        ),
        click.option(
            "--blocks", default=4, show_default=True, help="How many last blocks to store."
        ),
        group=MAIN,
    ),
    options(
        click.option(
            "--seed", default=0, show_default=True, type=click.IntRange(min=0),
            help="Of random weights.",
        ),
        group="Backbone",
    ),
    options(
        device_option,
        click.option(
            "--devices", metavar="A,B,...", default="",
            help="Several, a process each: 0,1 are cuda:0 and cuda:1.",
        ),
        click.option(
            "--engine", default="local", show_default=True, type=click.Choice(["local", "ray"]),
            help="ray: a cluster's devices ($RAY_ADDRESS, or one that runs here; else this "
            "machine's).",
        ),
        click.option(
            "--precision", type=click.Choice(["float32", "bf16", "fp16", "bf16-pure"]),
            help="Of the forward pass.  [default: float32 on a CPU, bf16 on a GPU]",
        ),
        batch_option,
        workers_option,
        click.option(
            "--item-timeout", default=300.0, show_default=True, metavar="SECONDS",
            help="An item that takes longer to decode is left out.",
        ),
        click.option(
            "--compile", "compiled", is_flag=True, help="Compile the blocks with torch.compile."
        ),
        click.option(
            "--shard", default="1/1", metavar="I/N", callback=lambda _c, _p, v: part(v),
            help="Extract the I-th of N parts only, as one task of a job array.",
        ),
        group="Device and speed",
    ),
    options(
        click.option(
            "--dtype", default="float16", show_default=True,
            type=click.Choice(["float16", "float32", "int8", "float8"]),
            help="On disk; int8: a byte a value and a scale a vector.",
        ),
        click.option(
            "--dim", type=click.IntRange(min=1), metavar="N",
            help="Keep tokens on N principal components of the training items'.",
        ),
        click.option(
            "--store", default="zarr", show_default=True, type=click.Choice(["zarr", "hdf5"]),
            help="The container; one of the other kind that is complete is used as it is.",
        ),
        click.option("--strict", is_flag=True, help="Stop at the first unreadable item."),
        click.option("--retry-failed", is_flag=True, help="Try recorded failures again."),
        quiet_option,
        group="Output",
    ),
)  # fmt: skip


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe extract --model dinov2_vits14 --data ./chest_xrays
  featprobe extract --model dinov2_vits14 --init random --image-size 112 --data digits
  featprobe extract --model facebook/dinov2-base --revision main --data labels.csv --root ./images
  featprobe extract --model ./my_vit --data ./volumes --plane coronal --intensity percentile=5,95
  featprobe extract --model dinov2_vitl14 --data ./chest_xrays --devices 0,1,2,3

\b
Run again, it reuses what is complete and goes on where it stopped.
""",
)
@model_options
@extract_options
@loading_options
@log_option
@cache_option
@json_option
def command(
    model: str, data: str, revision: str | None, weights: tuple[Path, ...], init: str | None,
    strip_prefix: str, ignore_keys: tuple[str, ...], transform: str | None,
    seed: int, image_size: int | None, features: tuple[str, ...], blocks: int, device: str,
    devices: str, engine: str, precision: str | None, dtype: str, batch_size: int | None,
    workers: int | None, dim: int | None, store: str, item_timeout: float, compiled: bool,
    shard: tuple[int, int], strict: bool, retry_failed: bool, quiet: bool, log: tuple[str, ...],
    cache: str | None, as_json: bool, **loading: Any,
) -> None:  # fmt: skip
    """Run a frozen backbone once over a data set and store its features.

    Preprocessing comes from the checkpoint. An item that cannot be read is recorded with its
    reason and left out; the rest goes on.
    """
    try:
        dataset = open_dataset(data, cache, loading)
    except MissingPath as error:
        with_weights = None if weights or init else lacking(model)
        if with_weights is None:
            raise
        raise MissingPath(f"{error}. The weights are missing too: {with_weights}") from error

    # Decoding shares the cores with torch, whose threads would otherwise spin while they wait: half
    # the frame rate on two cores. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from featprobe.backbones.load import load_backbone
    from featprobe.core.stopwatch import Stopwatch
    from featprobe.core.tracking import track
    from featprobe.extraction.local import extract

    backbone = load_backbone(
        model, init=init, seed=seed, image_size=image_size, weights=list(weights),
        revision=revision, strip_prefix=strip_prefix, ignore_keys=ignore_keys, transform=transform,
    )  # fmt: skip
    for counted in unused_keys(backbone.origin):
        note(f"{backbone.name}: {counted}")
    config = {
        "data": dataset.name, "model": backbone.name, "dtype": dtype, "blocks": blocks,
        "features": " ".join(features), "device": device,
    }  # fmt: skip
    with Stopwatch() as watch, mirrored(log, "extract", config, cache):
        result = extract(
            backbone, dataset, cache=cache, store=store, dtype=dtype, batch_size=batch_size,
            device=device, devices=tuple(d for d in devices.split(",") if d), engine=engine,
            precision=precision, features=features or None, blocks=blocks,
            workers=workers, dim=dim, item_timeout=item_timeout, compiled=compiled, part=shard,
            strict=strict, retry_failed=retry_failed,
            progress=False if quiet else "json" if as_json else True,
        )  # fmt: skip
        track({"frames": result.summary.new_frames, "frames/s": result.summary.rate})
        track({f"seconds/{kind}": s for kind, s in watch.seconds.items()})
    if as_json:
        print(json.dumps({**result.summary.to_dict(), "key": result.key.digest}))
        return
    report(dataset, result, backbone.random, watch)


def lacking(model: str) -> str | None:
    """What to do for the weights of a model that are not on this machine; None for others."""
    from featprobe.cli.doctor_checks import needs
    from featprobe.core.errors import FeatprobeError

    try:
        found = needs(model)
    except FeatprobeError as error:
        return str(error)
    if found["here"]:
        return None
    where = found["place"] or ", ".join(found.get("files", ()))
    source = f"they are downloaded from {where} when it can be reached" if where else "get its file"
    return f"{model}: {source}; or give the file with --weights FILE, or use --init random"


def counted(dataset: Dataset, most: int = 20) -> str:
    """The items of each class, the positives of each label, or the range of a regression."""
    y = dataset.targets
    assert y is not None
    if y.ndim == 1 and y.dtype.kind == "f":
        known = y[y == y]
        ends = f"{known.min():g} to {known.max():g}" if len(known) else "no value"
        return f"{ends}, unknown {len(y) - len(known)}"
    if y.ndim == 2:
        counts = [int(n) for n in (y == 1).sum(0)]
        unknown = int((y != y).all(1).sum())
    else:
        counts = [int((y == c).sum()) for c in range(len(dataset.classes))]
        unknown = int((y < 0).sum())
    counted = [f"{c} {n}" for c, n in zip(dataset.classes, counts)]
    if len(counted) > most:
        counted[most:] = [f"and {len(counted) - most} more"]
    return ", ".join(counted + ([f"unknown {unknown}"] if unknown else []))


def report(
    dataset: Dataset, result: FeatureSet, random: bool, watch: Stopwatch | None = None
) -> None:
    """Print what the extraction did, and by a watch what took the time."""
    s = result.summary
    labels = f"{len(dataset.classes)} {dataset.task} classes" if dataset.task else "no labels"
    patients = len(set(dataset.groups.tolist()))
    print(f"{dataset.name}: {s.items} items, {s.frames} frames, {labels}")
    if dataset.task:
        print(f"  labels    {dataset.label_origin or 'of the data set'}: {counted(dataset)}")
    print(f"  patients  {patients} ({dataset.group_origin})")
    parts = Counter(p for p in dataset.split.tolist() if p)
    sizes = ": " + ", ".join(f"{p} {n}" for p, n in parts.items()) if parts else ""
    print(f"  split     {dataset.split_origin}{sizes}")
    if dataset.masks is not None:
        print(f"  masks     {describe_masks(dataset.masks)}")
    recipe = {k: v for k, v in dataset.recipe.to_dict().items() if v is not None}
    print(f"  recipe    {', '.join(f'{k} {v}' for k, v in recipe.items())}")
    for fact, values in s.appearance.items():
        if fact == "black and white" or len(values) > 1:
            line = ", ".join(f"{value} ({n})" for value, n in list(values.items())[:6])
            print(f"  {fact}: {line}{', ...' if len(values) > 6 else ''}")
    weights = "RANDOM weights, not pretrained" if random else "pretrained weights"
    print(f"{result.backbone}: {weights}, {s.device}, {result.key.precision}")
    if s.new_frames:
        print(
            f"  extracted {s.new_frames} frames in {s.seconds:.1f} s, {s.rate:.1f} frames/s running"
        )
        if watch is not None and watch.seconds:
            print(f"  time      {watch.summary()}")
            beside = {"decoding, in workers": s.times["decode"], "writing": s.times["write"]}
            print("  beside it " + ", ".join(f"{k} {v:.1f} s" for k, v in beside.items()))
        else:  # measured in other processes
            print("  time      " + ", ".join(f"{k} {v:.1f} s" for k, v in s.times.items()))
        print(f"  limit     {s.bottleneck}")
    else:
        print("  nothing to do: all frames are in the cache")
    if s.relabelled:
        print("  labels, patients or split changed since the last run: the store has the new ones")
    if (found := result.provenance.get("reduction")) is not None:
        line = ", ".join(f"{v:.1%}" for v in found["explained"])
        print(
            f"  tokens    on {result.key.reduction['dim']} principal components of "
            f"{found['items']} training items: {line} of their variance"
        )
    print(f"  features  {', '.join(result.store.layout.arrays)} in {s.path}")
    for old in s.outdated:
        note(
            f"{dataset.name}: its files, or what reads them, have changed since {old}, whose "
            "features are not used"
        )
    for text in dataset.notes:
        note(f"{dataset.name}: {text}")
    for kind, texts in dataset.warnings.items():
        for text in texts:
            note(f"{dataset.name}: {kind}: {text}")
    for kind, n in dataset.skipped.items():
        note(f"{dataset.name}: skipped {n} files: {kind}")
    for text in s.findings:
        note(f"{dataset.name}: note: {text}")
    _list(f"{dataset.name}: note", s.notes)
    _list(f"{dataset.name}: left out", s.failures)


def _list(what: str, texts: dict[str, str], most: int = 10) -> None:
    for item, counted in list(texts.items())[:most]:
        note(f"{what}: {counted}" if item in counted else f"{what}: {item}: {counted}")
    if len(texts) > most:
        note(f"{what}: and {len(texts) - most} more (all with --json)")
