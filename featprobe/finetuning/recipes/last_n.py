"""The last blocks train."""

from __future__ import annotations

from dataclasses import dataclass

from featprobe.backbones.base import Backbone
from featprobe.errors import InputError
from featprobe.finetuning.recipes.base import Recipe, Trainable, blocks_of, unfrozen


@dataclass(frozen=True)
class LastN(Recipe):
    """The last ``blocks`` blocks (stages of a network in stages) and the norms behind them."""

    name = "last-n"
    blocks: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blocks < 1:
            raise InputError(f"blocks={self.blocks} of recipe last-n must be at least 1")

    def apply(self, backbone: Backbone) -> Trainable:
        there = blocks_of(backbone)
        if self.blocks > len(there):
            raise InputError(
                f"{backbone.name} has {len(there)} blocks: blocks={self.blocks} of last-n must be "
                f"1 to {len(there)}"
            )
        norms = [getattr(backbone.adapter, name, "") for name in ("norm", "pooled")]
        behind = [backbone.module.get_submodule(norm) for norm in norms if norm]
        return unfrozen(backbone, [*there[-self.blocks :], *behind])


RECIPE = {"last-n": LastN}
