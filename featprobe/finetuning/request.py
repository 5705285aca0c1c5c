"""From names and values, as users write them, to a recipe and the settings of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.options import checked
from featprobe.features.wanted import STUDIES, Wanted
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES, make_recipe
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import check_rates, study


@dataclass(frozen=True)
class Request:
    """A recipe, its training, and the learning rates among which val chooses.

    ``views``: of a preset, by kind of backbone; None where the training says its view.
    """

    recipe: Recipe
    training: Training
    lrs: tuple[float, ...] = ()
    views: Wanted | None = None

    def on(self, backbone: Backbone) -> Request:
        """The same with the view that the preset's study has of a backbone.

        Raises :class:`InputError` that says which view would do where it has none.
        """
        return replace(self, training=seeing(self.training, self.views, backbone))


def seeing(training: Training, views: Wanted | None, backbone: Backbone) -> Training:
    """A training with the view that a study has of a backbone."""
    if views is None:
        return training
    return replace(training, view=views.of(backbone.offer)[0])


def request(
    recipe: str | None = None, preset: str | None = None, given: Mapping[str, Any] | None = None
) -> Request:
    """What a recipe or a preset, and values for some of its names, ask for.

    ``given``: options of the recipe and fields of :class:`Training` by name; they come before a
    preset's. A list of ``lr`` is a grid. Raises :class:`UnknownName` with the nearest name, and
    :class:`InputError` for a value of the wrong type.
    """
    values = dict(given or {})
    options: dict[str, Any] = {}
    training: dict[str, Any] = {}
    lrs: tuple[float, ...] = ()
    views: Wanted | None = None
    if preset is not None:
        if recipe is not None:
            raise InputError(f"preset {preset} names the recipe: leave {recipe!r} out")
        found = study(preset)
        recipe, options, training, lrs = (
            found.recipe, dict(found.options), dict(found.training), tuple(found.lrs),
        )  # fmt: skip
        seen = found.views and "view" not in {**training, **values}
        views = STUDIES[found.views] if seen else None
    recipe = recipe or "full"
    own = [f.name for f in fields(RECIPES.get(recipe))]
    known = [f.name for f in fields(Training)]
    if "lr" in values:
        rates = values.pop("lr")
        rates = list(rates) if isinstance(rates, (list, tuple)) else [rates]
        training["lr"] = None
        lrs = tuple(checked("lr", r, float, "a training") for r in rates)
        if len(lrs) == 1:
            training["lr"], lrs = lrs[0], ()
    for name, value in values.items():
        if name in own:
            options[name] = value
        elif name in known:
            training[name] = value
        else:
            raise UnknownName(
                f"recipe {recipe} has no setting {name!r}.{nearest(name, [*own, *known])} "
                f"Its own: {', '.join(own) or 'none'}; of every training: {', '.join(known)}"
            )
    made = Request(make_recipe(recipe, **options), Training(**training), lrs, views)
    check_rates(made.recipe, made.training, lrs)
    return made
