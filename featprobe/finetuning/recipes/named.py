"""Recipes by name: the modules of this package, and those that others register."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from featprobe.core.errors import InputError, nearest
from featprobe.core.plugins import subclass_of
from featprobe.core.registry import Registry
from featprobe.finetuning.recipes.base import Recipe

RECIPES = Registry(
    "recipe",
    "featprobe.finetuning.recipes",
    "RECIPE",
    names={
        "last-n": "last_n",
        "norm-only": "norm_only",
        "lp-ft": "lp_ft",
        "block-expansion": "block_expansion",
        **dict.fromkeys(("lora", "dora", "loha", "lokr", "ia3"), "adapters"),
    },
    exclude=("base", "named"),
)


def make_recipe(name: str, /, **options: Any) -> Recipe:
    """A recipe with its options; unknown names and options are errors with the nearest one."""
    kind: type[Recipe] = RECIPES.get(name)
    known = [field.name for field in fields(kind)]
    for option in options:
        if option not in known:
            has = ", ".join(known) or "none"
            raise InputError(
                f"recipe {name} has no option {option!r}.{nearest(option, known)} It has: {has}"
            )
    return kind(**options)


def plugin(name: str, value: Any, of: str, **facts: Any) -> Any:
    """A recipe of another package or script: a subclass of :class:`Recipe`."""
    return subclass_of("recipe", name, value, Recipe, facts)
