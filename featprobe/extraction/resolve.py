"""Resolves the options of an extraction to settings, device, outputs and engine."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from featprobe.backbones.base import Backbone
from featprobe.backbones.precisions import PRECISIONS
from featprobe.core.devices import choose_device
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.extraction.options import Options, Settings
from featprobe.extraction.ray_cluster import kind_of_device

# name -> module and function of the shape of engine.on_this_machine
ENGINES = {
    "local": "featprobe.extraction.engine:on_this_machine",
    "ray": "featprobe.extraction.ray_engine:on_ray",
}
SEVERAL = "featprobe.extraction.multi_device:on_devices"


def settle(options: Options) -> Settings:
    """Fill in what is left open; :class:`InputError` for what cannot be had."""
    if options.engine not in ENGINES:
        raise InputError(f"unknown engine {options.engine!r}: use one of {', '.join(ENGINES)}")
    devices = choose_devices(options)
    target = choose_target(options, devices)
    cpu = target.type == "cpu"
    if options.compiled == "graphs" and target.type != "cuda":
        raise InputError(
            f"--compile graphs is for CUDA devices and this is {target.type}; leave it out, or use "
            "--compile auto"
        )
    precision = options.precision
    if precision is None:
        precision = "float32" if cpu else "bf16"
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}: use one of {', '.join(PRECISIONS)}")
    batch = (16 if cpu else 128) if options.batch_size is None else options.batch_size
    share = min(8 if cpu else 16, max(1, (os.cpu_count() or 1) // max(1, len(devices))))
    values = {
        **vars(options),
        "devices": devices,
        "precision": precision,
        "batch_size": batch,
        "workers": share if options.workers is None else options.workers,
        "streams": (share if cpu else 1) if options.streams is None else options.streams,
    }
    return Settings(**values, target=target)


def engine_of(o: Settings) -> Callable[..., Any]:
    """The function that runs shards."""
    module, function = (SEVERAL if o.devices else ENGINES[o.engine]).split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def choose_target(options: Options, devices: tuple[str, ...]) -> torch.device:
    """The device, or the kind of those of several processes."""
    if options.engine == "ray":
        return torch.device(kind_of_device(options.device))
    return choose_device(devices[0] if devices else options.device)


def choose_devices(options: Options) -> tuple[str, ...]:
    """Names of several devices of one kind, ``0`` being ``cuda:0``."""
    devices = tuple(f"cuda:{d}" if d.isdecimal() else d for d in options.devices)
    if devices and options.engine != "local":
        raise InputError("--devices is for this machine alone; a Ray cluster's are all used")
    if devices and options.device not in (None, "auto"):
        raise InputError("use --device for one device or --devices for several, not both")
    if len({choose_device(d).type for d in devices}) > 1:
        raise InputError(f"--devices {','.join(devices)}: use devices of one kind")
    return devices


def choose_outputs(
    backbone: Backbone, features: Sequence[str] | None, blocks: int
) -> dict[str, int]:
    """Name -> number of last blocks to store."""
    if blocks < 1:
        raise InputError(f"--blocks {blocks} must be at least 1")
    chosen: dict[str, int] = {}
    for text in features or backbone.default_outputs:
        name, _, deep = text.partition(":")
        if name not in backbone.outputs:
            have = ", ".join(backbone.outputs)
            raise UnknownName(
                f"{backbone.name} has no output {name!r}.{nearest(name, backbone.outputs)} "
                f"It has: {have}"
            )
        if deep and not (deep.isdecimal() and int(deep)):
            raise InputError(f"output {text!r} is not understood: write cls, cls:4, tokens:5")
        wanted = int(deep) if deep else 1 if name == "tokens" else blocks
        chosen[name] = min(wanted, backbone.outputs[name][0])
    return chosen
