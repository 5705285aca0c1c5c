"""From names and values, as users write them, to a recipe and the settings of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from featprobe.errors import InputError, UnknownName, nearest
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES, make_recipe
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import study


@dataclass(frozen=True)
class Asked:
    """A recipe, its training, and the learning rates among which val chooses."""

    recipe: Recipe
    training: Training
    lrs: tuple[float, ...] = ()


def asked(
    recipe: str | None = None, preset: str | None = None, given: Mapping[str, Any] | None = None
) -> Asked:
    """What a recipe or a preset, and values for some of its names, ask for.

    ``given``: options of the recipe and fields of :class:`Training` by name; they come before a
    preset's. A list of ``lr`` is a grid. Raises :class:`UnknownName` with the nearest name, and
    :class:`InputError` for a value of the wrong type.
    """
    values = dict(given or {})
    options: dict[str, Any] = {}
    training: dict[str, Any] = {}
    lrs: tuple[float, ...] = ()
    if preset is not None:
        if recipe is not None:
            raise InputError(f"preset {preset} names the recipe: leave {recipe!r} out")
        found = study(preset)
        recipe, options, training, lrs = (
            found.recipe, dict(found.options), dict(found.training), tuple(found.lrs),
        )  # fmt: skip
    recipe = recipe or "full"
    own = kinds(RECIPES.get(recipe))
    known = kinds(Training)
    if "lr" in values:
        rates = values.pop("lr")
        rates = list(rates) if isinstance(rates, (list, tuple)) else [rates]
        training["lr"] = None
        if not all(isinstance(r, (int, float)) and not isinstance(r, bool) for r in rates):
            raise InputError(f"lr {rates} must be numbers")
        lrs = tuple(float(r) for r in rates)
        if len(lrs) == 1:
            training["lr"], lrs = lrs[0], ()
    for name, value in values.items():
        place, kind = (options, own) if name in own else (training, known)
        if name not in kind:
            every = [*own, *known]
            raise UnknownName(
                f"recipe {recipe} has no setting {name!r}.{nearest(name, every)} Its own: "
                f"{', '.join(own) or 'none'}; of every training: {', '.join(known)}"
            )
        if not allowed(value, kind[name]):
            raise InputError(f"{name}={value!r}: {name} is {in_words(kind[name])}")
        place[name] = tuple(value) if isinstance(value, list) else value
    return Asked(make_recipe(recipe, **options), Training(**training), lrs)


def kinds(settings: type) -> dict[str, str]:
    """Name -> annotation of the fields of a dataclass."""
    return {f.name: str(f.type) for f in fields(settings)}


def allowed(value: Any, kind: str) -> bool:
    """Whether a JSON value fits an annotation, such as ``float | None`` or ``tuple[str, ...]``."""
    if value is None:
        return "None" in kind
    if isinstance(value, bool):
        return "bool" in kind
    if isinstance(value, str):
        return "str" in kind.replace("tuple[str, ...]", "")
    if isinstance(value, (list, tuple)):
        return "tuple" in kind and all(allowed(v, kind.partition("tuple[")[2]) for v in value)
    if isinstance(value, int):
        return "int" in kind or "float" in kind
    return isinstance(value, float) and "float" in kind


def in_words(kind: str) -> str:
    """An annotation for users."""
    words = {
        "float": "a number", "int": "a whole number", "bool": "true or false", "str": "a name",
        "tuple[str, ...]": "a list of names", "None": "null",
    }  # fmt: skip
    return " or ".join(words.get(part.strip(), part.strip()) for part in kind.split("|"))
