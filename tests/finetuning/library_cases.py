"""Exports of models of other libraries; run by test_export.py in a process of its own."""

from __future__ import annotations

import pytest
import torch

from featprobe.backbones.load import load_backbone
from featprobe.core.errors import InputError
from featprobe.finetuning.export import export
from featprobe.finetuning.recipes.block_expansion import BlockExpansion
from featprobe.finetuning.recipes.full import Full
from featprobe.finetuning.recipes.vpt import VPT
from tests.finetuning.tuned import features, trained

SIZES = {
    "timm:test_vit2": 64, "timm:resnet18": 64, "densenet121": 64, "torchvision:resnet18": 64,
    "open_clip:ViT-B-32": None,
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_a_trained_model_comes_back(name: str, tmp_path) -> None:
    backbone = load_backbone(name, init="random", image_size=SIZES[name])
    recipes = [Full(), VPT(prompts=2)] if "open_clip" in name else [Full()]
    for recipe in recipes:
        fresh = features(backbone)
        tuned, _ = trained(backbone, recipe, steps=1)
        before = features(tuned.plain())
        assert (before["mean"] - fresh["mean"]).abs().max() > 1e-4
        backbone = load_backbone(export(tuned.plain(), tmp_path / recipe.name, {}).folder)
        after = features(backbone)
        assert all(torch.equal(before[n], after[n]) for n in before)
        assert backbone.origin["model"] == name


def test_recipes_that_change_the_network_are_for_those_of_transformers() -> None:
    backbone = load_backbone("timm:test_vit2", init="random", image_size=64)
    for recipe in (VPT(), BlockExpansion()):
        with pytest.raises(InputError, match="is for vision transformers.* use lora"):
            recipe.apply(backbone)
