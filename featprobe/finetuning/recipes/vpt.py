"""Visual prompt tuning: learned tokens train, the network stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from featprobe.backbones.adapters import Tokens
from featprobe.backbones.base import Backbone
from featprobe.backbones.prompts import Prompts, add_prompts, drop_prompts, prompts_of
from featprobe.core.errors import InputError, reason
from featprobe.finetuning.recipes.base import Recipe, Trainable

GEOMETRY = ("relative_position", "rel_pos")  # parameters that belong to pairs of places


@dataclass(frozen=True)
class VPT(Recipe):
    """``prompts`` tokens behind CLS and registers (Jia et al. 2022, arXiv 2203.12119).

    ``deep``: other ones at every block, in place of those before; otherwise they go in at the
    first block alone. ``dropout`` of the prompts while they train.
    """

    name = "vpt"
    lr = 1e-3
    prompts: int = 10
    deep: bool = True
    dropout: float = 0.0

    def check(self) -> None:
        if self.prompts < 1:
            raise InputError(f"vpt: prompts={self.prompts} must be at least 1")
        if not 0 <= self.dropout < 1:
            raise InputError(f"vpt: dropout={self.dropout} must be at least 0 and below 1")

    def apply(self, backbone: Backbone) -> Trainable:
        adapter, module = backbone.adapter, backbone.module
        if not isinstance(adapter, Tokens):
            raise InputError(
                f"{backbone.name}: vpt is for vision transformers of transformers or open_clip "
                "that keep one sequence of tokens through all blocks; use lora, last-n or full"
            )
        if prompts_of(module) is not None:
            raise InputError(f"{backbone.name} has prompts already; start from what it was made of")
        blocks = adapter.blocks_of(module)
        geometry = any(g in n for b in blocks for n, _ in b.named_parameters() for g in GEOMETRY)
        if geometry:  # a bias may be stretched over prompts without an error
            raise _refused(backbone, "its relative positions know the places of patches only")
        layers = len(blocks) if self.deep else 1
        made = Prompts(layers, self.prompts, adapter.width, adapter.patch, self.dropout)
        backbone.adapter = add_prompts(module, adapter, made.to(backbone.device).eval())
        x = torch.zeros(1, 3, *backbone.preprocess.size)
        try:
            backbone.forward(x, blocks=len(blocks), outputs=["tokens"])
        except Exception as error:
            drop_prompts(module)
            backbone.adapter = adapter
            raise _refused(backbone, reason(error)) from error
        return Trainable(backbone, [made], lambda: replace(backbone))


def _refused(backbone: Backbone, why: str) -> InputError:
    return InputError(
        f"{backbone.name}: no tokens can be added to this network, so vpt is not for it ({why}); "
        "use lora, last-n or full"
    )


RECIPE = VPT
