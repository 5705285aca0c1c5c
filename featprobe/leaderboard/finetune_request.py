"""A fine-tuning as a leaderboard's file asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError
from featprobe.core.yaml_file import at, checked
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES
from featprobe.finetuning.request import request
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import study

OWN = {"recipe": str, "preset": str, "name": str}


@dataclass(frozen=True)
class FinetuneRequest:
    """A recipe and how it is trained; val chooses among ``lrs``. ``label``: the user's name."""

    recipe: Recipe
    training: Training
    lrs: tuple[float, ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.label or f"finetune {self.recipe.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """All that an exclusion may call it."""
        return tuple(dict.fromkeys([self.name, self.recipe.name]))

    def seeded(self, seed: int) -> FinetuneRequest:
        """The same with split and draws under a seed."""
        return replace(self, training=replace(self.training, seed=seed))


def make_finetune_request(
    entry: Mapping[str, Any], folder: Path, seed: int, place: str
) -> FinetuneRequest:
    """The fine-tuning of an entry; errors name the place.

    Keys beside :data:`OWN` are options of the recipe and fields of
    :class:`~featprobe.finetuning.settings.Training`, as of
    :func:`~featprobe.finetuning.request.request`. ``preset``: a name, or a file in the folder.
    """
    if ("recipe" in entry) == ("preset" in entry):
        raise InputError(f"{place}: either 'recipe' or 'preset' is needed, not both")
    recipe, preset = (str(entry[k]) if k in entry else None for k in ("recipe", "preset"))
    with at(place):
        if preset is not None and (folder / preset).is_file():
            preset = str(folder / preset)
        own = RECIPES.get(study(preset).recipe if preset else str(recipe))
    others = dict.fromkeys([f.name for f in (*fields(own), *fields(Training))], Any)
    given = checked(entry, others | OWN, place, others)  # request() looks at the others
    settings = {"seed": seed} | {k: v for k, v in given.items() if k in others}
    with at(place):
        made = request(recipe, preset, settings)
    return FinetuneRequest(made.recipe, made.training, made.lrs, given.get("name", ""))
