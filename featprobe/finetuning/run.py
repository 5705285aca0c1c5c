"""Fine-tuning a backbone on a data set: Results beside those of the probes."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from featprobe.backbones.base import Backbone
from featprobe.backbones.load import load_backbone
from featprobe.core import paths as settings
from featprobe.core.devices import choose_device
from featprobe.core.errors import FeatprobeError, InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.shared_intensity import settle
from featprobe.evaluation import levels
from featprobe.evaluation.evaluate import split_items
from featprobe.evaluation.fitted import Data
from featprobe.evaluation.protocols import Full
from featprobe.evaluation.reporting import keep, of_test, result_of
from featprobe.evaluation.results import Result
from featprobe.extraction.stopping import Stopping
from featprobe.finetuning.course import Diverged
from featprobe.finetuning.determinism import deterministic
from featprobe.finetuning.export import Differs, export
from featprobe.finetuning.frames import kept_frames
from featprobe.finetuning.images import Images
from featprobe.finetuning.network import wanted_of
from featprobe.finetuning.place import folder_of, spec_of, writable
from featprobe.finetuning.predictor import FILE as HEAD
from featprobe.finetuning.predictor import save_head
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.recipes.named import make_recipe
from featprobe.finetuning.settings import Training
from featprobe.finetuning.telling import about, cell_of, cost_of, idle
from featprobe.finetuning.trial import Task, Trial, carry_out
from featprobe.metrics.thresholds import NONE, YOUDEN, has_thresholds, rule_of
from featprobe.probes.selection import Criterion
from featprobe.probes.single_class import constants
from featprobe.splits.partition import VERSION
from featprobe.stats.resampling import RESAMPLES

if TYPE_CHECKING:
    from accelerate import Accelerator

PROBE = "finetune"  # what Results are called
MIXED = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}


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
) -> list[Result]:
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
    saved probe on it in ``head.safetensors``, which ``predict`` takes. The backbone that is given
    is not changed.

    Returns one Result; its ``params`` are the recipe's options and the training's settings, its
    ``cost`` says how many parameters were trained, how long and with how much memory. Raises
    :class:`InputError` for what cannot be trained, and :class:`~featprobe.core.errors.Unfinished`
    after SIGINT or SIGTERM.
    """
    start = time.perf_counter()
    for name, given, kind in (
        ("backbone", backbone, Backbone), ("dataset", dataset, Dataset),
        ("recipe", recipe, str | Recipe), ("training", training or Training(), Training),
    ):  # fmt: skip
        if not isinstance(given, kind):
            raise InputError(
                f"{name} is a {type(given).__name__}; finetune takes load_backbone(...), "
                "load_dataset(...), a recipe and Training(...)"
            )
    rule = rule_of(threshold)
    chosen = make_recipe(recipe) if isinstance(recipe, str) else recipe
    t = training or Training()
    lrs = list(dict.fromkeys(map(float, lrs)))
    for lr in lrs:
        replace(t, lr=lr)  # refuses what is no rate
    if len(lrs) > 1 and chosen.name == "frozen":
        raise InputError("frozen trains the head alone, which --lr is not for: give one --head-lr")
    if dataset.recipe.parts > 1:
        raise InputError(
            f"{dataset.name}: modalities that are pooled apart cannot be trained through; use "
            "--fusion rgb"
        )
    settle(dataset)
    target = choose_device(device)
    precision = t.precision or ("float32" if target.type == "cpu" else "bf16")
    if precision == "fp16" and target.type == "cpu":
        raise InputError("fp16 is for training on a GPU; use --precision bf16 or float32")
    accelerator = accelerator_of(target, precision)
    root = settings.cache_root(cache)
    shown = progress if accelerator.is_main_process else False
    backbone.to(accelerator.device)
    reported = levels.Level(level) if isinstance(level, str) else level
    for table in (reported.of, subgroups):
        if table is not None:
            levels.column(table, dataset.ids)  # what it lacks is told before anything is decoded
    with accelerator.main_process_first():
        frames = kept_frames(backbone, dataset, root, workers, progress=shown)
    wanted = wanted_of(backbone, t.view)
    subject = Images(backbone, dataset, frames, wanted, precision)
    protocol = Full(t.seed, t.refit, subset, split_version)
    data, rows = split_items(subject, protocol)
    data.select = Criterion.of(data.task, t.select)
    _enough(data, t, lrs, accelerator)
    reading = levels.read(reported, subgroups, of_test(subject, data, []))
    spec = spec_of(subject, data, chosen, t, subset, accelerator)
    place = folder_of(root, subject, chosen, spec) if folder is None else Path(folder)
    writable(place)
    with deterministic(), Stopping("the step") as stop:
        task = Task(
            backbone, subject, data, subject.rows[rows], chosen, t, spec, accelerator, place,
            shown, lambda: stop.asked, _printer(shown),
        )  # fmt: skip
        for text in idle(task):
            task.say(f"note: {text}")
        trial = _best(task, lrs or [t.lr or chosen.lr])
        scores = trial.scores(data.split.test)
        decides = has_thresholds(data.task, data.classes) and not t.refit and rule != NONE
        judged = trial.scores(data.split.val) if decides and len(data.split.val) else None
    cell = cell_of(task, trial, scores, lrs)
    cell.on_val = [] if judged is None else [(data.split.val, judged)]
    searched = ["lr"] if len(lrs) > 1 else []
    result = result_of(
        subject, PROBE, searched, protocol, data, cell, resamples, reading, rule
    )  # fmt: skip
    if searched:
        result.settings["lrs"] = sorted(lrs)
    result.settings |= {"label": label} if label else {}
    usual = type(chosen)().to_dict()
    result.settings["usual"] = [k for k, v in chosen.to_dict().items() if v == usual[k]]
    result.cost = cost_of(trial)
    result.versions |= {p: version(p) for p in ("torch", "transformers", "accelerate", "peft")}
    result.provenance |= {"history": trial.standing.history, "folder": str(place)}
    result.seconds = round(time.perf_counter() - start, 3)
    if accelerator.is_main_process:
        kept = backbone
        if chosen.name != "frozen":  # nothing of it has been trained otherwise
            plain = trial.run.trainable.plain().to("cpu")
            made = {**about(result, chosen), "name": place.name}
            kept, told = _exported(plain, place / "backbone", made)
            result.notes += told
        try:
            save_head(
                trial.run.network, kept, dataset, subject, cell.view, place / HEAD,
                constants(trial.run.y[trial.run.fit]), result.thresholds,
            )  # fmt: skip
        except FeatprobeError as error:  # what was measured is not lost with it
            result.notes.append(f"the trained head is not kept: {error}")
        if save:
            keep(root, subject, result, data, cell, reading)
    return [result]


def _exported(plain: Backbone, folder: Path, made: dict[str, Any]) -> tuple[Backbone, list[str]]:
    """The trained backbone as it is read from its folder, and what to say where that failed.

    Neither the head nor what was measured is lost with the folder: the weights that trained are in
    the checkpoint of the training, too.
    """
    try:
        return load_backbone(export(plain, folder, made)), []
    except Differs as error:
        return load_backbone(folder), [str(error)]
    except FeatprobeError as error:
        named = replace(plain, origin={**plain.origin, "name": str(folder)})
        return named, [f"the trained backbone is not kept: {error}"]


def accelerator_of(device: torch.device, precision: str) -> Accelerator:
    """The accelerator of this process, under ``torchrun`` one of several."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # an earlier run of this process may have had another precision and another device
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return Accelerator(mixed_precision=MIXED[precision], cpu=device.type == "cpu")


def _printer(shown: Any) -> Any:
    import sys

    return (lambda text: print(text, file=sys.stderr, flush=True)) if shown else lambda text: None


def _best(task: Task, lrs: Sequence[float]) -> Trial:
    """The trial of the learning rate that val prefers, trained again on all where that is asked."""
    trials: list[tuple[float, Trial]] = []
    failed: list[Diverged] = []
    for lr in lrs:
        try:
            trials.append((lr, carry_out(task, lr)))
        except Diverged as error:  # as of a probe's rates: it is not chosen
            failed.append(error)
            task.say(f"lr {lr:g} is left out: {error}")
        if len(trials) > 1:  # one network at a time: what loses is on disk
            trials.sort(key=lambda pair: pair[1].standing.merit, reverse=True)
            trials = trials[:1]
    if not trials:
        raise failed[0]
    lr, trial = trials[0]
    if not task.training.refit:
        return trial
    epochs = max(1, math.ceil(trial.standing.best_step / trial.run.epoch))
    whole = carry_out(task, lr, whole_for=epochs)
    whole.standing.history = [*trial.standing.history, *whole.standing.history]
    whole.standing.val = trial.standing.val
    return whole


def _enough(data: Data, t: Training, lrs: Sequence[float], accelerator: Accelerator) -> None:
    """Refuse trainings in which some process or part, or val, would have nothing to do."""
    if not len(data.split.val) and (len(lrs) > 1 or t.patience is not None):
        what = "choose among --lr" if len(lrs) > 1 else "end a training by --patience"
        raise InputError(f"the split has no val items, which would {what}; leave it out")
    share = min(t.batch, len(data.split.train)) // accelerator.num_processes
    if share < t.accumulate:
        raise InputError(
            f"{min(t.batch, len(data.split.train))} items a step cannot be cut into "
            f"{t.accumulate} parts on {accelerator.num_processes} processes; use a larger "
            "--batch or a smaller --accumulate"
        )
