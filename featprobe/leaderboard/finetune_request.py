"""A fine-tuning as a leaderboard's file asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.core.yaml_file import at, checked
from featprobe.features.wanted import Wanted
from featprobe.finetuning.dense.settings import (
    OF_DECODER,
    TASK,
    Segmentation,
    segmentation_of,
)
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import RECIPES
from featprobe.finetuning.request import request, seeing
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import study
from featprobe.segmentation.decoders.named import DECODERS

OWN = {"recipe": str, "preset": str, "name": str, "task": str, "decoder": str}
OF_MASKS = ("loss", "weights", "scale")


@dataclass(frozen=True)
class FinetuneRequest:
    """A recipe and how it is trained; val chooses among ``lrs``. ``label``: the user's name;
    ``segmentation``: the decoder, where it is of masks; ``views``: of a preset, by kind of
    backbone."""

    recipe: Recipe
    training: Training
    lrs: tuple[float, ...] = ()
    label: str = ""
    segmentation: Segmentation | None = None
    views: Wanted | None = None

    @property
    def name(self) -> str:
        """What it is called in tables."""
        decoder = "" if self.segmentation is None else f" {self.segmentation.network.name}"
        return self.label or f"finetune {self.recipe.name}{decoder}"

    @property
    def names(self) -> tuple[str, ...]:
        """All that an exclusion may call it."""
        return tuple(dict.fromkeys([self.name, self.recipe.name]))

    def seeded(self, seed: int) -> FinetuneRequest:
        """The same with split and draws under a seed."""
        return replace(self, training=replace(self.training, seed=seed))

    def at(self, view: str) -> FinetuneRequest:
        """The same with a head that sees a view."""
        return replace(self, training=replace(self.training, view=view))

    def on(self, backbone: Backbone) -> FinetuneRequest:
        """The same with the view that its preset has of a backbone."""
        if self.segmentation is not None:
            return self
        return replace(self, training=seeing(self.training, self.views, backbone))


def make_finetune_request(
    entry: Mapping[str, Any], folder: Path, seed: int, place: str
) -> FinetuneRequest:
    """The fine-tuning of an entry; errors name the place.

    Keys beside :data:`OWN` are options of the recipe and fields of
    :class:`~featprobe.finetuning.settings.Training`, as of
    :func:`~featprobe.finetuning.request.request`. ``preset``: a name, or a file in the folder.
    With ``task: segmentation`` they are those of the ``decoder`` and its loss too, as of
    :func:`~featprobe.finetuning.dense.settings.segmentation_of`.
    """
    if ("recipe" in entry) == ("preset" in entry):
        raise InputError(f"{place}: either 'recipe' or 'preset' is needed, not both")
    recipe, preset = (str(entry[k]) if k in entry else None for k in ("recipe", "preset"))
    with at(place):
        if preset is not None and (folder / preset).is_file():
            preset = str(folder / preset)
        own = RECIPES.get(study(preset).recipe if preset else str(recipe))
    others = dict.fromkeys([f.name for f in (*fields(own), *fields(Training))], Any)
    masks = _of_masks(entry, place)
    others |= dict.fromkeys(masks, Any)
    options = checked(entry, others | OWN, place, others)  # request() looks at the others
    settings = {"seed": seed} | {k: v for k, v in options.items() if k in others}
    dense = None
    with at(place):
        if masks:
            dense, settings = segmentation_of(
                recipe, preset, options.get("decoder"), None, settings
            )
        made = request(recipe, preset, settings)
        if dense is not None:
            dense.fitted(made.training, made.recipe)
    label = options.get("name", "")
    return FinetuneRequest(made.recipe, made.training, made.lrs, label, dense, made.views)


def _of_masks(entry: Mapping[str, Any], place: str) -> list[str]:
    """The keys of an entry's decoder and loss; none of one that is of labels."""
    if "task" not in entry:
        if "decoder" in entry:
            raise InputError(f"{place}: decoder is of masks: add 'task: {TASK}'")
        return []
    if entry["task"] != TASK:
        raise InputError(
            f"{place}: task {entry['task']!r}: labels say their own; only 'task: {TASK}' is given"
        )
    with at(place):
        own = DECODERS.get(str(entry.get("decoder", "linear"))).options()
    return [*OF_MASKS, *own, *(f"{OF_DECODER}{name}" for name in own)]
