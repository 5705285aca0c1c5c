"""featprobe extract"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

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
from featprobe.cli.extract_report import report
from featprobe.cli.log_options import log_option, mirrored
from featprobe.cli.verb import MAIN, Verb, options
from featprobe.core.errors import MissingPath

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
        click.option(
            "--views", default=1, show_default=True, metavar="N",
            help="Views of each frame, the first as it is, others augmented: epochs of sgd heads "
            "and test-time means, see 'linear --augmented'. N times the room and forward passes.",
        ),
        group=MAIN,
    ),
    options(
        click.option(
            "--augment", multiple=True, metavar="NAME...",
            default=("flip", "crop", "brightness", "contrast"), show_default=True,
            help="By what --views differ: also vflip, rotate, noise, erase.",
        ),
        click.option(
            "--view-seed", default=0, show_default=True, type=click.IntRange(min=0),
            help="Of the draws of --views.",
        ),
        group="Frames and intensity",
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
            "--compile", "compiled", is_flag=False, flag_value="on", default="off",
            show_default=True, type=click.Choice(["auto", "on", "off", "graphs"]),
            help="Blocks, by torch.compile; auto: where what it saves is several times what it "
            "takes. Kept in the cache. Without a word: on. graphs: whole batches as a CUDA graph, "
            "for small networks on a card.",
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
  featprobe extract --model dinov2_vits14 --data ./chest_xrays --views 8 --augment flip crop

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
    workers: int | None, dim: int | None, store: str, item_timeout: float, compiled: str,
    shard: tuple[int, int], strict: bool, retry_failed: bool, quiet: bool, log: tuple[str, ...],
    views: int, augment: tuple[str, ...], view_seed: int,
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
            workers=workers, dim=dim, item_timeout=item_timeout,
            compiled={"on": True, "off": False}.get(compiled, compiled), part=shard,
            strict=strict, retry_failed=retry_failed, views=views, augment=augment,
            view_seed=view_seed,
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
