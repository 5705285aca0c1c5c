"""Nothing but the head trains: the control."""

from __future__ import annotations

from dataclasses import dataclass, replace

from featprobe.backbones.base import Backbone
from featprobe.finetuning.recipes.base import Recipe, Trainable


@dataclass(frozen=True)
class Frozen(Recipe):
    """The linear probe by the loop of the other recipes, which it must agree with."""

    name = "frozen"
    head_lr = 1e-2  # of a head that trains alone, and must arrive
    idles = ("lr", "layer_decay", "checkpointing")

    def apply(self, backbone: Backbone) -> Trainable:
        return Trainable(backbone, [], lambda: replace(backbone))


RECIPE = Frozen
