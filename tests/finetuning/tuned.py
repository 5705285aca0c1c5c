"""Small networks that are trained for a few steps, for tests of recipes and of exports."""

from __future__ import annotations

from pathlib import Path

import torch

from featprobe.backbones.base import Backbone
from featprobe.backbones.load import load_backbone
from featprobe.finetuning.recipes.base import Recipe, Trainable
from tests.backbones.test_families import MAPS, TOKENS, pictures, saved, small


def small_backbone(kind: str, folder: Path, size: int = 32, **config) -> Backbone:
    """A random network of a family, through a folder of transformers."""
    model = small(kind, {**(TOKENS | MAPS)[kind], **config})
    return load_backbone(saved(folder / kind, model, size))


def features(backbone: Backbone, x: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """Every output of all blocks for two frames of noise."""
    x = pictures(*backbone.preprocess.size) if x is None else x
    return backbone.forward(x, blocks=99, outputs=list(backbone.outputs))


def trained(backbone: Backbone, recipe: Recipe, steps: int = 3) -> tuple[Trainable, set[str]]:
    """Apply a recipe and take AdamW steps towards random targets; names that got a gradient."""
    torch.manual_seed(0)
    tuned = recipe.apply(backbone)
    module = tuned.backbone.module
    live = {n: p for n, p in module.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(live.values(), lr=1e-2)
    x = pictures(*backbone.preprocess.size)
    target = torch.randn(2, tuned.backbone.outputs["mean"][1])
    moved = set()
    tuned.train()
    for _ in range(steps):
        out = tuned.backbone.adapter(module, x, {"mean": 1})["mean"][:, 0]
        optimizer.zero_grad()
        (out - target).square().mean().backward()
        moved |= {n for n, p in live.items() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
    module.eval()
    return tuned, moved
