"""A fine-tuning as a leaderboard's file asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from featprobe.errors import InputError
from featprobe.finetuning.asked import asked
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import study
from featprobe.leaderboard.given import at, known

OWN = {"recipe": str, "preset": str, "name": str, "lr": float | Sequence[float]}


@dataclass(frozen=True)
class Tuning:
    """A recipe and how it is trained; val chooses among ``lrs``. ``label``: the user's name."""

    recipe: Recipe
    training: Training
    lrs: tuple[float, ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.label or f"finetune {self.recipe.name}"


def make_tuning(entry: Mapping[str, Any], folder: Path, seed: int, place: str) -> Tuning:
    """The fine-tuning of an entry; errors name the place.

    Keys beside :data:`OWN` are options of the recipe and fields of
    :class:`~featprobe.finetuning.settings.Training`, as of
    :func:`~featprobe.finetuning.asked.asked`. ``preset``: a name, or a file in the folder.
    """
    if ("recipe" in entry) == ("preset" in entry):
        raise InputError(f"{place}: either 'recipe' or 'preset' is needed")
    recipe, preset = (str(entry[k]) if k in entry else None for k in ("recipe", "preset"))
    with at(place):
        if preset is not None and (folder / preset).is_file():
            preset = str(folder / preset)
        own = RECIPES.get(study(preset).recipe if preset else str(recipe))
    others = {f.name: Any for f in (*fields(own), *fields(Training))}  # which asked() looks at
    given = known(entry, others | OWN, place)
    settings = {"seed": seed} | {k: v for k, v in given.items() if k in others}
    with at(place):
        made = asked(recipe, preset, settings)
        if not all(lr > 0 for lr in made.lrs):
            raise InputError(f"lr {list(made.lrs)} must be positive")
    return Tuning(made.recipe, made.training, made.lrs, given.get("name", ""))
