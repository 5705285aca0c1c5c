"""From what a user gives to an experiment with masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.evaluation.fitted import Data
from featprobe.evaluation.levels import Level, LevelReading
from featprobe.evaluation.protocols import Full
from featprobe.finetuning.dense.experiment import DenseExperiment
from featprobe.finetuning.dense.frame_items import FrameItems
from featprobe.finetuning.dense.judging import judged
from featprobe.finetuning.dense.settings import TASK, Segmentation
from featprobe.finetuning.frames import kept_frames
from featprobe.finetuning.images import Images
from featprobe.finetuning.plan import check_enough, check_folder, prepared
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.settings import Training
from featprobe.probes.selection import AUTO, Criterion
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.partition import split_items


def plan(
    backbone: Backbone, dataset: Dataset, recipe: str | Recipe, training: Training | None,
    settings: Segmentation, *, lrs: Sequence[float], subset: float, split_version: int,
    cache: str | os.PathLike[str] | None, folder: str | os.PathLike[str] | None,
    device: str | None, workers: int, progress: bool | Literal["json"],
) -> DenseExperiment:  # fmt: skip
    """The experiment of :func:`~featprobe.finetuning.run.finetune`'s arguments with a decoder.

    Items, split and labels on the grid of the answer are those of ``featprobe segment``. Raises
    :class:`InputError` for everything that cannot be trained or kept.
    """
    made = prepared(backbone, dataset, recipe, training, lrs, cache, device, progress)
    settings, t = settings.fitted(made.training, made.recipe)
    decoder = settings.network
    if dataset.masks is None:
        raise InputError(
            f"{dataset.name} has no masks, which --task {TASK} needs: say where they are with "
            "--masks, or leave --task out"
        )
    if "tokens" in backbone.outputs and decoder.takes > backbone.outputs["tokens"][0]:
        raise InputError(
            f"decoder {decoder.name} takes the tokens of the last {decoder.takes} blocks, and "
            f"{backbone.name} gives those of {backbone.outputs['tokens'][0]}"
        )
    with made.accelerator.main_process_first():
        frames = kept_frames(backbone, dataset, made.cache, workers, progress=made.progress)
    labeled = Images(backbone, dataset, frames, {"tokens": decoder.takes}, made.precision)
    masked = MaskedItems(FrameItems(labeled, dataset, backbone, decoder.takes), settings.scale)
    protocol = Full(t.seed, t.refit, subset, split_version)
    data = Data(
        read=lambda _view: None, views=[], y=np.zeros(len(masked), dtype=np.int64),
        groups=masked.groups, ids=masked.ids, task=TASK, classes=len(masked.foreground),
        split=split_items(masked, protocol), unknown=0,
        select=Criterion.of(TASK, "dice" if t.select == AUTO else t.select),
    )  # fmt: skip
    experiment = DenseExperiment(
        backbone, labeled, data, labeled.rows, protocol, made.recipe, t, made.lrs,
        LevelReading(Level()), made.accelerator, made.cache,
        None if folder is None else Path(folder), made.progress, judged,
        masked=masked, segmentation=settings,
    )  # fmt: skip
    check_enough(experiment)
    check_folder(experiment.folder)
    return experiment
