"""What is left of a training beside its Result: the backbone in a folder, the head in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featprobe.backbones.base import Backbone
from featprobe.core.errors import FeatprobeError
from featprobe.datasets.base import Dataset
from featprobe.evaluation.results import Result
from featprobe.finetuning.export import export
from featprobe.finetuning.head_probe import FILE as HEAD
from featprobe.finetuning.head_probe import head_probe, save_head
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.state import TrainState

Save = Callable[[Backbone], Path]
BACKBONE = "backbone"  # the folder beside the training


@dataclass(frozen=True)
class Ended:
    """What comes of a training that has ended: its ``result``, what writes the head to a file
    (``save``, None for a head that is none), and what keeps the result in the cache (``keep``)."""

    result: Result
    save: Save | None
    keep: Callable[[], object]


def head_of(state: TrainState, dataset: Dataset, result: Result) -> Save | None:
    """What writes the head as a saved probe; None for one that is none."""
    probe = head_probe(state)
    if probe is None:
        return None
    file = state.experiment.folder / HEAD
    return lambda kept: save_head(probe, state, kept, dataset, result.thresholds, file)


def export_trained(state: TrainState, result: Result, save: Save | None) -> list[str]:
    """Write backbone and head into the folder of the training; what went wrong, a line each.

    ``save`` writes the head, given the backbone as it is read from where it is kept; it was made of
    the network as it was trained, before adapters are merged. Neither is lost with the other, nor
    is what was measured: the weights that trained are in the checkpoint, too. Of a frozen backbone
    the head alone is written. Ends the training of ``state``.
    """
    experiment, problems = state.experiment, []
    kept: Backbone = experiment.backbone
    if experiment.recipe.name != "frozen":
        trained = state.trainable.plain().to("cpu")
        made = {**about(result, experiment.recipe), "name": experiment.folder.name}
        try:
            exported = export(trained, experiment.folder / BACKBONE, made)
            kept = exported.backbone
            problems += [exported.problem] if exported.problem else []
        except FeatprobeError as error:
            trained.origin = {**trained.origin, "name": str(experiment.folder / BACKBONE)}
            kept = trained
            problems.append(f"the trained backbone is not kept: {error}")
    try:
        if save is not None:
            save(kept)
    except FeatprobeError as error:
        problems.append(f"the trained head is not kept: {error}")
    return problems


def about(result: Result, recipe: Recipe) -> dict[str, Any]:
    """What an exported backbone says of its training."""
    return {
        "recipe": recipe.name, "options": recipe.to_dict(), "dataset": result.dataset,
        "backbone": result.backbone, "params": result.params, "split": result.split,
        "result": result.id, "metrics": result.metrics,
    }  # fmt: skip
