"""Biases train."""

from __future__ import annotations

from dataclasses import dataclass

from featprobe.backbones.base import Backbone
from featprobe.finetuning.recipes.base import Recipe, Trainable, selected


@dataclass(frozen=True)
class BitFit(Recipe):
    """All biases, those of norms too (Ben Zaken et al. 2022, arXiv 2106.10199)."""

    name = "bitfit"
    lr = 1e-3

    def apply(self, backbone: Backbone) -> Trainable:
        return selected(backbone, lambda name, _module: name == "bias" or name.endswith("_bias"))


RECIPE = BitFit
