"""Fine-tuning a backbone on a data set: Results beside those of the probes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Literal

from featprobe.backbones.base import Backbone
from featprobe.datasets.base import Dataset
from featprobe.evaluation import levels
from featprobe.evaluation.reporting import keep
from featprobe.evaluation.result_list import Results
from featprobe.extraction.stopping import Stopping
from featprobe.finetuning.determinism import deterministic
from featprobe.finetuning.fit import fit
from featprobe.finetuning.plan import plan
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.reporting import cell_of, idle, report
from featprobe.finetuning.settings import Training
from featprobe.finetuning.trained import export_trained
from featprobe.metrics.thresholds import YOUDEN, rule_of
from featprobe.splits.partition import VERSION
from featprobe.stats.resampling import RESAMPLES

PROBLEMS = "export_problems"  # in the provenance of a Result: what of the trained network is amiss


def finetune(
    backbone: Backbone,
    dataset: Dataset,
    recipe: str | Recipe = "full",
    training: Training | None = None,
    *,
    lrs: Sequence[float] = (),
    subset: float = 1.0,
    cache: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    device: str | None = None,
    workers: int = 1,
    level: str | levels.Level = "item",
    subgroups: levels.Column | None = None,
    threshold: str | float = YOUDEN,
    resamples: int = RESAMPLES,
    split_version: int = VERSION,
    save: bool = True,
    label: str = "",
    progress: bool | Literal["json"] = False,
) -> Results:
    """Train a backbone, or a part of it, on the split that probes of the data set have.

    ``recipe``: which parameters train, by name with its own options' defaults, or made by
    :func:`~featprobe.finetuning.recipes.named.make_recipe`. ``training``: everything else, see
    :class:`~featprobe.finetuning.settings.Training`. ``lrs``: learning rates of the backbone, each
    of which is a training; the best on val is tested. ``subset``: the fraction of train and val
    that is used. ``split_version``: 1 splits as trainings of before versions were recorded did.
    ``folder``: where the training is kept instead of
    ``<cache>/finetuned/<dataset>/<backbone>-<recipe>-<digest12>``; a training that was stopped or
    killed goes on from there, and one that is finished is only scored. ``label``: a name in tables.
    ``workers``: decode processes. ``save`` appends the Result to the cache. ``level`` and
    ``subgroups`` and ``threshold``: as of :func:`~featprobe.evaluation.evaluate.evaluate`; where
    the chosen training is done again on train and val (``refit``), there are no thresholds.

    The trained backbone lies in the folder's ``backbone``, which
    :func:`~featprobe.backbones.load.load_backbone` and ``extract --model`` take, and the head as a
    saved probe on it in ``head.safetensors``, which ``predict`` takes. A backbone that is not read
    back as it was trained lies in ``backbone-unverified``, and a note and the provenance's
    ``export_problems`` say what differs. The backbone that is given is not changed.

    Returns one Result; its ``params`` are the recipe's options and the training's settings, its
    ``cost`` says how many parameters were trained, how long and with how much memory. Raises
    :class:`InputError` for what cannot be trained, and :class:`~featprobe.core.errors.Unfinished`
    after SIGINT or SIGTERM.
    """
    start = time.perf_counter()
    rule = rule_of(threshold)
    experiment = plan(
        backbone, dataset, recipe, training, lrs=lrs, subset=subset, split_version=split_version,
        cache=cache, folder=folder, device=device, workers=workers, level=level,
        subgroups=subgroups, progress=progress,
    )  # fmt: skip
    for text in idle(experiment):
        experiment.say(f"note: {text}")
    with deterministic(), Stopping("the step") as stop:
        state = fit(experiment, lambda: stop.requested)
        cell = cell_of(state, rule)
    result = report(state, cell, rule, resamples, label)
    result.seconds = round(time.perf_counter() - start, 3)
    if experiment.accelerator.is_main_process:  # of several processes one writes
        problems = export_trained(state, dataset, result)
        result.notes += problems
        result.provenance |= {PROBLEMS: problems} if problems else {}
        if save:
            subject, data = experiment.subject, experiment.data
            keep(experiment.cache, subject, result, data, cell, experiment.reading)
    return Results([result])
