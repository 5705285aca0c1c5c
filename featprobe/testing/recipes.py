"""What every recipe of fine-tuning must do, built in or of another package.

class TestMine(RecipeContract):
    name = "mine"

    def backbone(self):
        return ...  # a small one that the recipe is for
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import pytest

from featprobe.backbones.base import Backbone
from featprobe.core.errors import FeatprobeError
from featprobe.finetuning.recipes.named import RECIPES, make_recipe


class RecipeContract:
    """Subclass, set ``name``, and write :meth:`backbone`."""

    name: str = ""
    options: ClassVar[Mapping[str, Any]] = {}

    def backbone(self) -> Backbone:
        """A small backbone that the recipe is for, a new one at every call."""
        raise NotImplementedError

    def test_it_has_its_name_and_checks_its_options(self) -> None:
        recipe = make_recipe(self.name, **self.options)
        assert type(recipe) is RECIPES.get(self.name)
        assert set(recipe.to_dict()) == {f.name for f in fields(recipe)}
        with pytest.raises(FeatprobeError, match="has no option 'nothing'"):
            make_recipe(self.name, nothing=1)

    def test_what_trains_is_what_has_gradients(self) -> None:
        recipe = make_recipe(self.name, **self.options)
        made = recipe.apply(self.backbone())
        trains = [p for p in made.backbone.module.parameters() if p.requires_grad]
        assert trains or "lr" in recipe.idles
        x = made.backbone.prepare(_noise(), 0, 255).clone()
        output = next(n for n in ("cls", "mean") if n in made.backbone.outputs)
        if trains:
            made.train()
            wanted = {output: 1}
            made.backbone.adapter(made.backbone.module, x, wanted)[output].square().sum().backward()
            assert any(p.grad is not None and bool(p.grad.any()) for p in trains)

    def test_it_ends_as_a_plain_frozen_backbone(self) -> None:
        made = make_recipe(self.name, **self.options).apply(self.backbone())
        plain = made.plain()
        assert not any(p.requires_grad for p in plain.module.parameters()) or plain.name
        out = plain.forward(plain.prepare(_noise(), 0, 255))
        assert all(bool(v.isfinite().all()) for v in out.values())


def _noise() -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (2, 40, 30), np.uint8)
