"""Fine-tuning a backbone on a data set: Results beside those of the probes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, Literal

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.core.stopwatch import spent
from featprobe.datasets.base import Dataset
from featprobe.evaluation import levels
from featprobe.evaluation.reporting import keep
from featprobe.evaluation.result_list import Results
from featprobe.extraction.stopping import Stopping
from featprobe.finetuning.dense.ending import ended as dense_ended
from featprobe.finetuning.dense.plan import plan as dense_plan
from featprobe.finetuning.dense.settings import Segmentation
from featprobe.finetuning.determinism import deterministic
from featprobe.finetuning.experiment import Experiment
from featprobe.finetuning.fit import fit
from featprobe.finetuning.plan import plan
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.reporting import cell_of, idle, report
from featprobe.finetuning.settings import Training
from featprobe.finetuning.state import TrainState
from featprobe.finetuning.trained import Ended, export_trained, head_of
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
    segmentation: Segmentation | None = None,
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

    ``segmentation``: a decoder that is trained with the backbone on the masks of the data set, the
    unfrozen counterpart of :func:`~featprobe.segmentation.run.segment` on the same split and cases;
    a batch is then of frames, and the decoder lies in ``decoder.safetensors``.

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
    how: dict[str, Any] = {
        "lrs": lrs, "subset": subset, "split_version": split_version, "cache": cache,
        "folder": folder, "device": device, "workers": workers, "progress": progress,
    }  # fmt: skip
    if segmentation is None:
        experiment: Experiment = plan(
            backbone, dataset, recipe, training, level=level, subgroups=subgroups, **how
        )
    else:
        _refuse_reading(level, subgroups, rule)
        experiment = dense_plan(backbone, dataset, recipe, training, segmentation, **how)
    for text in idle(experiment):
        experiment.say(f"note: {text}")
    with deterministic(), Stopping("the step") as stop:
        state = fit(experiment, lambda: stop.requested)
        if segmentation is None:
            end = _ended(state, dataset, rule, resamples, label)
        else:
            end = dense_ended(state, dataset, resamples, label)
    result = end.result
    result.seconds = round(time.perf_counter() - start, 3)
    if experiment.accelerator.is_main_process:  # of several processes one writes
        with spent("export"):
            problems = export_trained(state, result, end.save)
        result.notes += problems
        result.provenance |= {PROBLEMS: problems} if problems else {}
        if save:
            end.keep()
    return Results([result])


def _ended(state: TrainState, dataset: Dataset, rule: str, resamples: int, label: str) -> Ended:
    """The scores of test items."""
    experiment = state.experiment
    cell = cell_of(state)
    result = report(state, cell, rule, resamples, label)
    labeled, data, reading = experiment.labeled, experiment.data, experiment.reading

    def kept() -> None:
        keep(experiment.cache, labeled, result, data, cell, reading)

    return Ended(result, head_of(state, dataset, result), kept)


def _refuse_reading(level: str | levels.Level, subgroups: levels.Column | None, rule: str) -> None:
    """Refuse what is of scores of items, where masks are scored."""
    name = level if isinstance(level, str) else level.name
    for text, options in (
        (f"level {name}", name != "item"), ("subgroup", subgroups is not None),
        (f"threshold {rule}", rule != YOUDEN),
    ):  # fmt: skip
        if options:
            raise InputError(f"{text} is of scores of items; a segmentation has Dice by item")
