"""The last blocks train."""

from __future__ import annotations

from dataclasses import dataclass

from featprobe.backbones.adapters import Tokens
from featprobe.backbones.base import Adapter, Backbone
from featprobe.backbones.timm_adapters import TimmTokens
from featprobe.core.errors import InputError
from featprobe.finetuning.recipes.base import Recipe, Trainable, blocks_of, unfrozen


@dataclass(frozen=True)
class LastN(Recipe):
    """The last ``blocks`` blocks and the norms behind them, or stages of a network in stages."""

    name = "last-n"
    blocks: int = 1

    def check(self) -> None:
        if self.blocks < 1:
            raise InputError(f"blocks={self.blocks} of recipe last-n must be at least 1")

    def apply(self, backbone: Backbone) -> Trainable:
        there = blocks_of(backbone)
        if self.blocks > len(there):
            raise InputError(
                f"{backbone.name} has {len(there)} blocks: blocks={self.blocks} of last-n must be "
                f"1 to {len(there)}"
            )
        behind = [backbone.module.get_submodule(path) for path in _norms(backbone.adapter)]
        return unfrozen(backbone, [*there[-self.blocks :], *behind])


def _norms(adapter: Adapter) -> list[str]:
    """Paths of the norms behind the blocks of a transformer."""
    if isinstance(adapter, Tokens):
        return [path for path in (adapter.norm, adapter.pooled) if path]
    if isinstance(adapter, TimmTokens):
        return [f"{adapter.base}.{name}".strip(".") for name in ("norm", "fc_norm")]
    return []


RECIPE = {"last-n": LastN}
