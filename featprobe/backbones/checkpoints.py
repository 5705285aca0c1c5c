"""Weights files as their authors saved them, strictly into models of transformers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.families import known
from featprobe.backbones.formats.convnets import FOCALNET, RESNET, XDECODER
from featprobe.backbones.formats.layout import Layout, find, not_needed, unwrapped
from featprobe.backbones.formats.reading import read_checkpoint, tensors
from featprobe.backbones.formats.vits import DEIT, DINOV2, MAE, POOLED, REGISTERS, SAM, VIT
from featprobe.backbones.source import account
from featprobe.core.errors import InputError

__all__ = ["adopt", "convert", "linear_head", "load_state", "read_checkpoint"]

# Asked in this order: the keys that mark one layout may occur in those behind it.
LAYOUTS = (SAM, XDECODER, FOCALNET, REGISTERS, DINOV2, DEIT, MAE, POOLED, VIT, RESNET)
# Heads that a backbone does not use, in transformers' own layout; any other surplus is an error.
HEADS = ("classifier.", "cls_classifier.", "distillation_classifier.", "head.", "pooler.",
         "decoder.", "lm_head.")  # fmt: skip


@dataclass(frozen=True)
class Converted:
    """A file's tensors by the keys of the model.

    ``layout``: the name of the file's layout. ``sources``: key of the model -> key of the file.
    ``shapes``: by key of the file. ``surplus``: keys of the file for which its layout has no use.
    ``spell``: how the file would spell a key of the model that it lacks. ``dropped``: keys of the
    file that are known not to be needed.
    """

    layout: str
    state: dict[str, Tensor]
    sources: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    surplus: set[str]
    spell: Callable[[str], str] = lambda key: key
    dropped: tuple[str, ...] = ()


def adopt(state: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """What a file fixes of the configuration beyond doubt, such as ``image_size`` by its tensors or
    ``layer_norm_eps`` by its authors' code.

    Never the depth or the width: those belong to the model named, and a file that lacks a block
    would pass. Nothing for a file of another family.
    """
    flat = tensors(state)
    try:
        layout = _identify(flat, model_type)
    except InputError:  # loading says so
        return {}
    if layout is None:
        return {}
    return {
        **layout.fixed,
        **layout.facts({inner: flat[key] for inner, key in find(layout, flat).inner.items()}),
    }


def convert(state: Mapping[str, Any], module: nn.Module) -> Converted:
    """The content of a file in the layout of a model of transformers, which is not changed."""
    config: Any = module.config
    flat = tensors(state)
    layout = _identify(flat, config.model_type)
    if layout is None:
        return _own(flat, module)
    keys = find(layout, flat)
    if why := layout.refuse(keys.inner, config):
        raise InputError(why)
    out: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    surplus = {key for key in keys.outer if not layout.drops(key, None)}
    for inner, key in keys.inner.items():
        targets = layout.match(inner)
        if targets and (flat[key].ndim or len(targets) == 1):
            parts = flat[key].tensor_split(len(targets)) if len(targets) > 1 else (flat[key],)
            out |= zip(targets, parts)
            sources |= dict.fromkeys(targets, key)
        elif not layout.drops(key, inner):
            surplus.add(key)
    for pattern, value in layout.filled.items():
        if not any(re.fullmatch(pattern, key) for key in out):
            out |= {k: value for k in module.state_dict() if re.fullmatch(pattern, k)}

    def spell(target: str) -> str:
        inner = layout.inverse(target)
        return target if inner is None else keys.spelled(inner)

    shapes = {key: tuple(t.shape) for key, t in flat.items()}
    taken = {*sources.values(), *surplus}
    dropped = tuple(key for key in flat if key not in taken)
    return Converted(layout.name, out, sources, shapes, surplus, spell, dropped)


def load_state(
    module: nn.Module, state: Mapping[str, Any], where: str, dropped: list[str] | None = None
) -> str:
    """Fill a model of transformers from the content of a file; the name of the file's layout.

    ``where``: begins the message that lists every missing, unexpected or reshaped key as the file
    spells it. Keys of the file that are not used are added to ``dropped``.
    """
    try:
        got = convert(state, module)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    own = module.state_dict()
    missing = {got.spell(key) for key in own.keys() - got.state.keys()}
    unused = {got.sources.get(key, key) for key in got.state.keys() - own.keys()}
    account(where, missing, got.surplus | unused, _reshaped(own, got))
    module.load_state_dict(got.state)
    if dropped is not None:
        dropped.extend(got.dropped)
    return got.layout


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


def _own(flat: dict[str, Tensor], module: nn.Module) -> Converted:
    """transformers' own layout of any version, with or without a head around the network."""
    config: Any = module.config
    family = known(config)
    flat, beside = unwrapped(flat, module.state_dict())
    with quiet():
        loaded, info = type(module).from_pretrained(  # type: ignore[attr-defined]
            None, config=config, state_dict=dict(flat), output_loading_info=True,
            ignore_mismatched_sizes=True, dtype=torch.float32,
            key_mapping=dict(family.renamed) or None, **family.keywords(config),
        )  # fmt: skip
    odd = {k: torch.empty(tuple(shape), device="meta") for k, shape, _ in info["mismatched_keys"]}
    absent = {*info["missing_keys"], *odd}
    state = {k: v for k, v in loaded.state_dict().items() if k not in absent}
    if not state and not odd:
        raise InputError(f"weights in a layout that is not known: its keys are {_some(flat)}")
    dropped = (*HEADS, *family.drops)
    unused = [*info["unexpected_keys"], *beside]
    heads = tuple(k for k in unused if k.startswith(dropped) or not_needed(k))
    state |= odd
    shapes = {key: tuple(t.shape) for key, t in state.items()}
    return Converted(
        "transformers", state, {k: k for k in state}, shapes, {*unused} - {*heads}, dropped=heads
    )


@contextmanager
def quiet() -> Iterator[None]:
    """transformers says nothing meanwhile: its report repeats over many lines what one will say."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


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
