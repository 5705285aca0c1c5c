"""Backbones through timm: ``timm:NAME``, ``timm:hf-hub:org/name``, ``timm:local-dir:folder``."""

from __future__ import annotations

import json
import math
from typing import Any

from torch import nn

from featprobe.backbones.optional_libraries import (
    fill,
    hub,
    library,
    provenance,
    state_of,
    weights_file,
)
from featprobe.backbones.source import Loaded, Source, drawn
from featprobe.backbones.spec import INTERPOLATIONS, Preprocess
from featprobe.backbones.timm_adapters import adapter
from featprobe.core.errors import InputError, UnknownName, nearest

SCHEMES = ("hf-hub", "hf_hub", "local-dir")
# What makes a model take inputs of any size; the first that its class knows.
ANY_SIZE: tuple[dict[str, bool], ...] = (
    {"dynamic_img_size": True}, {"strict_img_size": False}, {},
)  # fmt: skip
FILES = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth")
ARCHITECTURE = ("architecture", "num_classes", "global_pool", "input_size", "fixed_input_size")


def load(source: Source) -> Loaded:
    """Build a model of timm; its classifier stays, or becomes that of the weights file.

    Raises :class:`~featprobe.core.errors.MissingExtra`, :class:`~featprobe.core.errors.UnknownName`
    with the nearest name, or :class:`~featprobe.core.errors.InputError` for weights that cannot be
    had.
    """
    timm = library("timm", "timm")
    name = source.place.removeprefix("timm:")
    scheme = check_name(timm, name)
    options: dict[str, Any] = {}
    if source.revision:
        if scheme == "local-dir":
            raise InputError(f"{source.text}: a local folder has no revision")
        if scheme:
            name = f"{name}@{source.revision}"
        else:
            repository = timm.get_pretrained_cfg(name).hf_hub_id
            options["pretrained_cfg_overlay"] = {"hf_hub_id": f"{repository}@{source.revision}"}
    pretrained = not source.init and not source.weights
    if pretrained or scheme:
        what = "weights are" if pretrained else "configuration is"
        with hub(source.place, what), drawn(source.seed):
            net, sizes = build(timm, name, pretrained=pretrained, **options)
    else:
        with drawn(source.seed):
            net, sizes = build(timm, name, pretrained=False)
    origin: dict[str, Any] = {}
    cfg = net.pretrained_cfg
    if source.weights:
        path = weights_file(source)
        state = state_of(path, source, origin, net.state_dict())
        follow(net, state)
        fill(net, state, f"{path} for {source.text}")
        origin["weights"] = [path.name]
    elif pretrained:
        repository = (cfg.get("hf_hub_id") or "").partition("@")[0]
        if scheme and scheme != "local-dir":
            repository = name.partition(":")[2].partition("@")[0]
        found = provenance(repository, FILES, source.revision) if repository else {}
        origin = {"source": source.place, "tag": cfg.get("tag"), **found}
    net.eval()
    anything = bool(sizes) or not cfg.get("fixed_input_size")
    config = {
        "library": "timm", "name": name.partition("@")[0], **{k: cfg.get(k) for k in ARCHITECTURE},
        "classes": net.num_classes, "arguments": getattr(net, "pretrained_model_args", {}) | sizes,
    }  # fmt: skip
    return Loaded(
        net, adapter(net, tuple(cfg["input_size"][1:]), anything),
        source.preprocess or preprocess(timm, net, source.text),
        json.loads(json.dumps(config, default=str)), origin,
    )  # fmt: skip


def check_name(timm: Any, name: str) -> str:
    """The scheme of the name, empty for a name of timm's own, which must be known."""
    scheme, colon, rest = name.partition(":")
    if colon:
        if scheme not in SCHEMES or not rest:
            raise UnknownName(f"timm:{name}: write timm:NAME, timm:hf-hub:org/name")
        return "local-dir" if scheme == "local-dir" else "hf-hub"
    if "/" in name:
        raise UnknownName(f"timm:{name}: a model of the hub is written timm:hf-hub:{name}")
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        hint = nearest(name, timm.list_models() + timm.list_pretrained())
        raise UnknownName(f"timm has no model {name!r}.{hint}")
    tags = timm.list_pretrained(architecture)
    if tag and name not in tags:
        known = f" There are {', '.join(tags)}." if tags else " It has random weights only."
        raise UnknownName(f"timm has no weights {name!r}.{nearest(name, tags)}{known}")
    return ""


def build(timm: Any, name: str, **options: Any) -> tuple[Any, dict[str, bool]]:
    """The model, and the argument that lets it take any input size."""
    for sizes in ANY_SIZE:
        try:
            net = timm.create_model(name, **options, **sizes)
        except TypeError as error:
            if not any(key in str(error) for key in sizes):
                raise
            continue
        # some classes swallow an argument that they do not know
        if not sizes or not getattr(getattr(net, "patch_embed", None), "strict_img_size", False):
            break
    return net, sizes


def follow(net: Any, state: dict[str, Any]) -> None:
    """Give the model the classifier of a file: its number of classes, or none."""
    names = net.pretrained_cfg.get("classifier")
    for name in [names] if isinstance(names, str) else names or []:
        weight = state.get(f"{name}.weight")
        classes = 0 if weight is None else len(weight)
        if classes != net.num_classes:
            net.reset_classifier(classes)
            return


def preprocess(timm: Any, net: nn.Module, text: str) -> Preprocess:
    """The transform that timm makes for evaluation, from the model's own configuration."""
    cfg = timm.data.resolve_model_data_config(net)
    height, width = cfg["input_size"][1:]
    edges = math.floor(height / cfg["crop_pct"]), math.floor(width / cfg["crop_pct"])
    mode, interpolation = cfg["crop_mode"], cfg["interpolation"]
    if interpolation not in INTERPOLATIONS.values():
        raise InputError(f"{text}: resizes by {interpolation!r}: not supported")
    if (mode == "center" and height != width) or mode not in ("center", "squash"):
        raise InputError(f"{text}: crops by {mode!r} to {height} x {width}: not supported")
    return Preprocess(
        resize=edges[0] if mode == "center" else edges, crop=(height, width),
        interpolation=interpolation, mean=tuple(cfg["mean"]), std=tuple(cfg["std"]),
        centre="even" if mode == "center" else "down",
    )  # fmt: skip
