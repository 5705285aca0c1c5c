"""Block expansion: copies of some blocks, which change nothing at first, train."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.adapters import Tokens
from featprobe.backbones.base import Backbone
from featprobe.backbones.hf import described
from featprobe.core.errors import InputError
from featprobe.finetuning.recipes.base import Recipe, Trainable

SCALES = ("lambda1", "lambda_1", "lambda_2")  # what LayerScale is called in transformers
INDEXES = ("global_attn_indexes",)  # of configurations: numbers of blocks
LISTS = ("layer_types",)  # of configurations: one value a block


@dataclass(frozen=True)
class BlockExpansion(Recipe):
    """``blocks`` copies are inserted evenly, each behind the block it is a copy of; they train.

    The blocks are cut into as many groups, and a copy of its last block is put behind each (Wu et
    al. 2024, LLaMA Pro, arXiv 2401.02415, section 3.2; for vision transformers Bafghi et al. 2024,
    arXiv 2404.17245; BE DINORET, Zoellin et al. 2024, arXiv 2409.17332): three copies in a network
    of twelve blocks come behind the 4th, 8th and 12th. Groups are as equal as can be where
    ``blocks`` is no divisor of the depth. A copy starts as the identity: its LayerScale is 0 where
    it has one, otherwise the output projections of attention and MLP are.
    """

    name = "block-expansion"
    blocks: int = 3

    def apply(self, backbone: Backbone) -> Trainable:
        adapter, module = backbone.adapter, backbone.module
        layers = module.get_submodule(adapter.layers) if isinstance(adapter, Tokens) else None
        if not isinstance(layers, nn.ModuleList) or "model_type" not in backbone.config:
            raise InputError(
                f"{backbone.name}: block-expansion is for vision transformers loaded through "
                "transformers, not for networks in stages or of other libraries; use lora, last-n "
                "or full"
            )
        assert isinstance(adapter, Tokens)
        depth = len(layers)
        if not 1 <= self.blocks <= depth:
            raise InputError(
                f"{backbone.name} has {depth} blocks: blocks={self.blocks} of block-expansion must "
                f"be 1 to {depth}"
            )
        behind = [(i + 1) * depth // self.blocks - 1 for i in range(self.blocks)]
        inputs, linears = _observed(backbone, [layers[i] for i in behind])
        copies = []
        for i, options, last in zip(behind, inputs, linears):
            copies.append(copy.deepcopy(layers[i]))
            _silence(copies[-1], last)
            if not _is_identity(copies[-1], *options):
                raise InputError(
                    f"{backbone.name}: its blocks do not become the identity without LayerScale or "
                    "output projections, so block-expansion is not for it; use lora, last-n or full"
                )
        for i, new in reversed(list(zip(behind, copies))):
            layers.insert(i + 1, new)
        order = sorted([*range(depth), *behind])
        own = {id(c): c for m in module.modules() if (c := getattr(m, "config", None)) is not None}
        for config in own.values():
            _deepen(config, order)
        backbone.adapter = replace(adapter, blocks=len(order))
        backbone.config = _deeper(backbone.config, order)
        for new in copies:
            new.requires_grad_(True)
        return Trainable(backbone, copies, lambda: backbone)


def _observed(
    backbone: Backbone, blocks: list[nn.Module]
) -> tuple[list[tuple[Any, Any]], list[list[str]]]:
    """What each block is given when a frame of noise passes, and the linear layers that end it.

    They are the last before a norm, other than the first, and the last of all.
    """
    inputs: list[tuple[Any, Any]] = []
    called: list[list[str]] = [[] for _ in blocks]
    handles = []
    for block, names in zip(blocks, called):
        handles.append(
            block.register_forward_pre_hook(
                lambda _m, args, given: inputs.append((args, given)), with_kwargs=True
            )
        )
        for name, part in block.named_modules():
            norm = "Norm" in type(part).__name__
            if norm or isinstance(part, nn.Linear):
                note = "" if norm else name
                handles.append(
                    part.register_forward_pre_hook(
                        lambda _m, _a, names=names, note=note: names.append(note)
                    )
                )
    try:
        x = torch.rand(1, 3, *backbone.preprocess.size, generator=torch.Generator().manual_seed(0))
        backbone.forward(x, outputs=["mean"])
    finally:
        for handle in handles:
            handle.remove()
    ends = [[a for a, b in zip(names, [*names[1:], ""]) if a and not b] for names in called]
    return inputs, ends


def _silence(block: nn.Module, ends: list[str]) -> None:
    """Make the identity of a block with residual connections."""
    scales = [p for n, p in block.named_parameters() if n.rpartition(".")[2] in SCALES]
    silent = scales or [p for n in ends for p in block.get_submodule(n).parameters()]
    with torch.no_grad():
        for parameter in silent:
            parameter.zero_()


@torch.inference_mode()
def _is_identity(block: nn.Module, args: Any, given: Any) -> bool:
    x: Tensor = args[0] if args else given["hidden_states"]
    out = block(*args, **given)
    return torch.equal(out[0] if isinstance(out, tuple) else out, x)


def _deepen(config: Any, order: list[int]) -> None:
    """Change a configuration of the deeper network in place; ``order``: the block it comes from."""
    depth = max(order) + 1
    if getattr(config, "num_hidden_layers", None) != depth:
        return  # changed already, or of another part
    for name in INDEXES:
        if value := getattr(config, name, None):
            setattr(config, name, [i for i, old in enumerate(order) if old in value])
    for name in LISTS:
        if value := getattr(config, name, None):
            setattr(config, name, [value[i] for i in order])
    config.num_hidden_layers = len(order)
    if hasattr(config, "stage_names"):
        config.stage_names = ["stem", *(f"stage{i + 1}" for i in range(len(order)))]
        config.set_output_features_output_indices(out_features=None, out_indices=None)


def _deeper(config: dict[str, Any], order: list[int]) -> dict[str, Any]:
    """The configuration of a backbone, as JSON values, of the deeper network."""
    from transformers import AutoConfig

    whole = AutoConfig.for_model(**config)
    _deepen(getattr(whole, "vision_config", whole), order)
    return described(whole)


RECIPE = {"block-expansion": BlockExpansion}
