"""Weights files as their authors saved them, strictly into models of transformers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.formats.convnets import FOCALNET, RESNET, XDECODER
from featprobe.backbones.formats.layout import Layout, find
from featprobe.backbones.formats.reading import read_checkpoint, tensors
from featprobe.backbones.formats.vits import DEIT, DINOV2, MAE, POOLED, REGISTERS, SAM, VIT
from featprobe.errors import InputError

__all__ = ["account", "adopt", "convert", "linear_head", "load_state", "read_checkpoint"]

# Asked in this order: the keys that mark one layout may occur in those behind it.
LAYOUTS = (SAM, XDECODER, FOCALNET, REGISTERS, DINOV2, DEIT, MAE, POOLED, VIT, RESNET)
# Heads that a backbone does not use, in transformers' own layout; any other surplus is an error.
HEADS = ("classifier.", "head.", "pooler.", "decoder.", "lm_head.")


@dataclass(frozen=True)
class Converted:
    """A file's tensors by the keys of the model, surplus ones by their own.

    ``layout``: whose layout the file has. ``sources``: key of the model -> key of the file.
    ``shapes``: of the file, by its own keys. ``spell``: how the file would spell a key of the
    model that it lacks.
    """

    layout: str
    state: dict[str, Tensor]
    sources: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    spell: Callable[[str], str]


def convert(state: Mapping[str, Any], model_type: str, config: Any) -> Converted:
    """The content of a file in the layout of ``AutoModel.from_config(config)``.

    Raises :class:`~featprobe.errors.InputError` where the file belongs to another family.
    """
    flat = tensors(state)
    layout = _identify(flat, model_type)
    if layout is None:
        return _own(flat, config)
    keys = find(layout, flat)
    if why := layout.refuse(keys.inner, config):
        raise InputError(why)
    out: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    for inner, key in keys.inner.items():
        targets = layout.match(inner)
        if targets and (flat[key].ndim or len(targets) == 1):
            parts = flat[key].tensor_split(len(targets)) if len(targets) > 1 else (flat[key],)
            out |= zip(targets, parts)
            sources |= dict.fromkeys(targets, key)
        elif not layout.drops(key, inner):
            out[key] = flat[key]
    out |= {key: flat[key] for key in keys.outer if not layout.drops(key, None)}

    def spell(target: str) -> str:
        inner = layout.inverse(target)
        return target if inner is None else keys.spelled(inner)

    shapes = {key: tuple(t.shape) for key, t in flat.items()}
    return Converted(layout.name, out, sources, shapes, spell)


def adopt(state: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """What the tensors of a file fix of the configuration beyond doubt, such as ``image_size``."""
    flat = tensors(state)
    layout = _identify(flat, model_type)
    if layout is None:
        return {}
    return layout.facts({inner: flat[key] for inner, key in find(layout, flat).inner.items()})


def load_state(module: nn.Module, state: Mapping[str, Any], source: str) -> str:
    """Fill a model of transformers from the content of a file; the name of the file's layout.

    ``source``: for the message that lists every missing, unexpected or reshaped key.
    """
    config: Any = module.config
    try:
        got = convert(state, config.model_type, config)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    own = module.state_dict()
    layout = next((x for x in LAYOUTS if x.name == got.layout), None)
    for key in set(own) - set(got.state):
        for pattern, value in layout.filled.items() if layout else ():
            if re.fullmatch(pattern, key):
                got.state[key] = value
    reshaped = _reshaped(own, got)
    missing = {got.spell(key) for key in own if key not in got.state}
    surplus = {key for key in got.state if key not in own}
    account(source, missing, surplus, reshaped, () if layout else HEADS)
    module.load_state_dict({k: v for k, v in got.state.items() if k in own})
    return got.layout


def account(
    source: str,
    missing: Iterable[str],
    surplus: Iterable[str],
    reshaped: list[str],
    heads: tuple[str, ...] = HEADS,
) -> None:
    """Refuse weights that do not fit, by every key; keys that start like ``heads`` may differ."""
    parts = [
        f"{len(keys)} {what} ({', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''})"
        for what, keys in (
            ("missing", sorted(k for k in missing if not k.startswith(heads))),
            ("unexpected", sorted(k for k in surplus if not k.startswith(heads))),
            ("of another shape", reshaped),
        )
        if keys
    ]
    if parts:
        raise InputError(f"{source}: the weights do not fit: {'; '.join(parts)}")


def linear_head(state: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """(weight (C, D), bias (C,)) of a linear classifier saved by itself, as DINOv2's are."""
    flat = tensors(state)
    weight, bias = flat.get("weight"), flat.get("bias")
    if set(flat) != {"weight", "bias"} or weight is None or bias is None:
        raise InputError(f"not a linear head: its keys are {_some(flat)}, not weight and bias")
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise InputError(
            f"not a linear head: weight {tuple(weight.shape)}, bias {tuple(bias.shape)}"
        )
    return weight.float(), bias.float()


def _identify(flat: Mapping[str, Tensor], model_type: str) -> Layout | None:
    """The layout of a file, or None for transformers' own."""
    for layout in LAYOUTS:
        keys = find(layout, flat)
        if not keys.marked(layout):
            continue
        if model_type in layout.families:
            return layout
        raise InputError(
            f"the file is a {layout.name}, for models of type {' or '.join(layout.families)}; "
            f"the model named is a {model_type}"
        )
    if set(flat) == {"weight", "bias"}:
        raise InputError("the file is a linear head alone; name a file with the network's weights")
    return None


def _own(flat: dict[str, Tensor], config: Any) -> Converted:
    """transformers' own layout of any version, with or without a head around the network."""
    from transformers import AutoModel

    from featprobe.backbones.adapters import BUILD

    with torch.device("meta"):
        empty = AutoModel.from_config(config, **BUILD.get(config.model_type, {}))
    module, info = type(empty).from_pretrained(
        None, config=config, state_dict=dict(flat), output_loading_info=True,
        ignore_mismatched_sizes=True, dtype=torch.float32, **BUILD.get(config.model_type, {}),
    )  # fmt: skip
    odd = {
        key: torch.empty(tuple(shape), device="meta") for key, shape, _ in info["mismatched_keys"]
    }
    absent = {*info["missing_keys"], *odd}
    state = {k: v for k, v in module.state_dict().items() if k not in absent}
    if not state:
        raise InputError(
            f"no layout that is known for {config.model_type}: its keys are {_some(flat)}"
        )
    state |= odd | {k: flat.get(k, torch.empty(0)) for k in info["unexpected_keys"]}
    shapes = {key: tuple(t.shape) for key, t in state.items()}
    return Converted("transformers", state, {k: k for k in state}, shapes, lambda key: key)


def _reshaped(own: Mapping[str, Tensor], got: Converted) -> list[str]:
    """``key (its shape) for (the shape it should have)``, of each key of the file once."""
    parts: dict[str, list[str]] = {}
    for target, source in got.sources.items():
        if target in own:
            parts.setdefault(source, []).append(target)
    lines = []
    for source, targets in sorted(parts.items()):
        if any(own[t].shape != got.state[t].shape for t in targets):
            first = tuple(own[targets[0]].shape)
            rows = sum(own[t].shape[0] for t in targets) if first else 0
            wanted = (rows, *first[1:]) if first else ()
            lines.append(f"{source} {got.shapes[source]} for {wanted}")
    return lines


def _some(keys: Iterable[str], n: int = 4) -> str:
    names = sorted(keys)
    return ", ".join(names[:n]) + (", ..." if len(names) > n else "")
