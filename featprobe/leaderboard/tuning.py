"""A fine-tuning as a leaderboard's file asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from featprobe.errors import InputError
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES, make_recipe
from featprobe.finetuning.settings import Training
from featprobe.leaderboard.given import at, checked

OWN = {"recipe": "str", "preset": "str", "name": "str", "lr": "float | Sequence[float]"}
TRAINING = {f.name: str(f.type) for f in fields(Training)}
PLAIN = {"int", "float", "bool", "str", "None"}


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

    A key is an option of the recipe where that has one of this name, otherwise a field of
    :class:`~featprobe.finetuning.settings.Training`. ``preset``: a name, or a file beside the
    leaderboard's.
    """
    if ("recipe" in entry) == ("preset" in entry):
        raise InputError(f"{place}: either 'recipe' or 'preset' is needed")
    name, lrs = str(entry.get("recipe")), tuple[float, ...]()
    options: dict[str, Any] = {}
    settings: dict[str, Any] = {"seed": seed}
    with at(place):
        if "preset" in entry:
            from featprobe.finetuning.studies import study

            beside = folder / str(entry["preset"])
            found = study(str(beside) if beside.is_file() else str(entry["preset"]))
            name, lrs = found.recipe, tuple(found.lrs)
            options, settings = dict(found.options), settings | found.training
        has = _options(RECIPES.get(name))
    given = checked(entry, TRAINING | has | OWN, place)
    options |= {k: v for k, v in given.items() if k in has}
    settings |= {k: v for k, v in given.items() if k in TRAINING and k not in has}
    if "lr" in given:
        several = isinstance(given["lr"], list)
        lrs = tuple(map(float, given["lr"])) if several else ()
        settings["lr"] = None if several else given["lr"]
    with at(place):
        if not all(lr > 0 for lr in lrs):
            raise InputError(f"lr {list(lrs)} must be positive")
        settings["augment"] = tuple(settings.get("augment", ()))
        return Tuning(
            make_recipe(name, **options), Training(**settings), lrs, given.get("name", "")
        )


def _options(recipe: type[Recipe]) -> dict[str, str]:
    """The options of a recipe with annotations, of which it checks all but plain ones itself."""
    kinds = {f.name: str(f.type) for f in fields(recipe)}
    plain = {n for n, k in kinds.items() if {part.strip() for part in k.split("|")} <= PLAIN}
    return {n: k if n in plain else "Any" for n, k in kinds.items()}
