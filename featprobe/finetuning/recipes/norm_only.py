"""Norms train."""

from __future__ import annotations

from dataclasses import dataclass

from featprobe.backbones.base import Backbone
from featprobe.finetuning.recipes.base import Recipe, Trainable, selected


@dataclass(frozen=True)
class NormOnly(Recipe):
    """Scale and shift of every normalisation layer; the statistics of BatchNorm stay as they are.

    Frankle et al. 2021 (arXiv 2003.00152) train BatchNorm, Zhao et al. 2023 (arXiv 2312.11420)
    LayerNorm alone.
    """

    name = "norm-only"
    lr = 1e-3

    def apply(self, backbone: Backbone) -> Trainable:
        return selected(backbone, lambda _name, module: "Norm" in type(module).__name__)


RECIPE = {"norm-only": NormOnly}
