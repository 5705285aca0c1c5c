"""From what a user gives to an experiment: everything that can be refused is refused here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from featprobe.backbones.base import Backbone
from featprobe.core import paths
from featprobe.core.atomic import try_folder
from featprobe.core.devices import choose_device
from featprobe.core.errors import InputError, reason
from featprobe.core.stopwatch import spent
from featprobe.datasets.base import Dataset
from featprobe.datasets.shared_intensity import settle
from featprobe.evaluation import levels
from featprobe.evaluation.labelled import split_items
from featprobe.evaluation.protocols import Full
from featprobe.evaluation.reporting import of_test
from featprobe.extraction.elsewhere import decoded_elsewhere
from featprobe.finetuning.experiment import Experiment
from featprobe.finetuning.frames import kept_frames
from featprobe.finetuning.images import Images
from featprobe.finetuning.network import wanted_of
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import make_recipe
from featprobe.finetuning.settings import Training
from featprobe.finetuning.studies import check_rates
from featprobe.probes.selection import Criterion

if TYPE_CHECKING:
    from accelerate import Accelerator

MIXED = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}


@dataclass(frozen=True)
class Prepared:
    """What is settled before frames are decoded, whatever the targets: see the fields of
    :class:`~featprobe.finetuning.experiment.Experiment`."""

    recipe: Recipe
    training: Training
    lrs: tuple[float, ...]
    precision: str
    accelerator: Accelerator
    cache: Path
    progress: bool | Literal["json"]


def prepared(
    backbone: Backbone, dataset: Dataset, recipe: str | Recipe, training: Training | None,
    lrs: Sequence[float], cache: str | os.PathLike[str] | None, device: str | None,
    progress: bool | Literal["json"],
) -> Prepared:  # fmt: skip
    """Recipe, settings and device; the backbone is moved there. Raises :class:`InputError`."""
    _check_types(backbone, dataset, recipe, training)
    chosen = make_recipe(recipe) if isinstance(recipe, str) else recipe
    t = training or Training()
    rates = _rates(t, chosen, lrs)
    if dataset.recipe.parts > 1:
        raise InputError(
            f"{dataset.name}: modalities that are pooled apart cannot be trained through; use "
            "--fusion rgb"
        )
    with decoded_elsewhere(dataset):
        settle(dataset)
    target = choose_device(device)
    precision = t.precision or ("float32" if target.type == "cpu" else "bf16")
    if precision == "fp16" and target.type == "cpu":
        raise InputError("fp16 is for training on a GPU; use --precision bf16 or float32")
    accelerator = accelerator_of(target, precision)
    shown = progress if accelerator.is_main_process else False
    backbone.to(accelerator.device)
    return Prepared(chosen, t, rates, precision, accelerator, paths.cache_root(cache), shown)


def plan(
    backbone: Backbone, dataset: Dataset, recipe: str | Recipe, training: Training | None, *,
    lrs: Sequence[float], subset: float, split_version: int,
    cache: str | os.PathLike[str] | None, folder: str | os.PathLike[str] | None,
    device: str | None, workers: int, level: str | levels.Level, subgroups: levels.Column | None,
    progress: bool | Literal["json"],
) -> Experiment:  # fmt: skip
    """The experiment of :func:`~featprobe.finetuning.run.finetune`'s arguments.

    Frames are decoded unless the cache has them, and the split is drawn; nothing is trained.
    Raises :class:`InputError` for everything that cannot be trained or kept.
    """
    made = prepared(backbone, dataset, recipe, training, lrs, cache, device, progress)
    t, accelerator = made.training, made.accelerator
    reported = levels.Level(level) if isinstance(level, str) else level
    for table in (reported.of, subgroups):
        if table is not None:
            levels.column(table, dataset.ids)  # what it lacks is told before anything is decoded
    with accelerator.main_process_first(), spent("decoding frames"):
        frames = kept_frames(backbone, dataset, made.cache, workers, progress=made.progress)
    labeled = Images(backbone, dataset, frames, wanted_of(backbone, t.view), made.precision)
    protocol = Full(t.seed, t.refit, subset, split_version)
    data, rows = split_items(labeled, protocol)
    data.select = Criterion.of(data.task, t.select)
    reading = levels.read(reported, subgroups, of_test(labeled, data, []))
    experiment = Experiment(
        backbone, labeled, data, labeled.rows[rows], protocol, made.recipe, t, made.lrs, reading,
        accelerator, made.cache, None if folder is None else Path(folder), made.progress,
    )  # fmt: skip
    check_enough(experiment)
    check_folder(experiment.folder)
    return experiment


def accelerator_of(device: torch.device, precision: str) -> Accelerator:
    """The accelerator of this process, under ``torchrun`` one of several."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # an earlier run of this process may have had another precision and another device
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return Accelerator(mixed_precision=MIXED[precision], cpu=device.type == "cpu")


def check_enough(experiment: Experiment) -> None:
    """Refuse trainings in which some process or part, or val, would have nothing to do."""
    t, split = experiment.training, experiment.data.split
    processes = experiment.accelerator.num_processes
    if not len(split.val) and (len(experiment.lrs) > 1 or t.patience is not None):
        what = "choose among --lr" if len(experiment.lrs) > 1 else "end a training by --patience"
        raise InputError(f"the split has no val items, which would {what}; leave it out")
    together = min(t.batch, len(experiment.fit))
    if together // processes < t.accumulate:
        raise InputError(
            f"{together} {experiment.unit} a step cannot be cut into {t.accumulate} parts on "
            f"{processes} processes; use a larger --batch or a smaller --accumulate"
        )


def check_folder(folder: Path) -> None:
    """Refuse a folder that nothing can be kept in before anything is computed."""
    others = folder.is_dir() and any(not f.name.startswith(".") for f in folder.iterdir())
    if others and not any(folder.glob("lr=*.pt")):
        raise InputError(
            f"{folder}: holds other things than a training; give a new folder by --run"
        )
    try:
        try_folder(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: the training cannot be kept there ({reason(error)}); name another folder "
            "by --run"
        ) from error


def _check_types(backbone: object, dataset: object, recipe: object, training: object) -> None:
    for name, options, kind in (
        ("backbone", backbone, Backbone), ("dataset", dataset, Dataset),
        ("recipe", recipe, str | Recipe), ("training", training, Training | None),
    ):  # fmt: skip
        if not isinstance(options, kind):
            raise InputError(
                f"{name} is a {type(options).__name__}; finetune takes load_backbone(...), "
                "load_dataset(...), a recipe and Training(...)"
            )


def _rates(t: Training, recipe: Recipe, lrs: Sequence[float]) -> tuple[float, ...]:
    """The rates of the backbone to try, each once; one where none is given."""
    rates = tuple(dict.fromkeys(map(float, lrs)))
    check_rates(recipe, t, rates)
    return rates or (t.lr or recipe.lr,)
