"""What is left of a training beside its Result: the backbone in a folder, the head in a file."""

from __future__ import annotations

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

BACKBONE = "backbone"  # the folder beside the training


def export_trained(state: TrainState, dataset: Dataset, result: Result) -> list[str]:
    """Write backbone and head into the folder of the training; what went wrong, a line each.

    Neither is lost with the other, nor is what was measured: the weights that trained are in the
    checkpoint, too. Of a frozen backbone the head alone is written. Ends the training of ``state``.
    """
    experiment, problems = state.experiment, []
    kept: Backbone = experiment.backbone
    probe = head_probe(state)  # of the network as it was trained, before its adapters are merged
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
        if probe is not None:
            save_head(probe, state, kept, dataset, result.thresholds, experiment.folder / HEAD)
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
