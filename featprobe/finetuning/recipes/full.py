"""Every parameter trains."""

from __future__ import annotations

from dataclasses import dataclass

from featprobe.backbones.base import Backbone
from featprobe.finetuning.recipes.base import Recipe, Trainable, unfrozen


@dataclass(frozen=True)
class Full(Recipe):
    """End-to-end fine-tuning. Layers that normalise by the batch do so, and their statistics move.

    With random weights this is training from scratch.
    """

    name = "full"

    def apply(self, backbone: Backbone) -> Trainable:
        return unfrozen(backbone, [backbone.module])


RECIPE = Full
