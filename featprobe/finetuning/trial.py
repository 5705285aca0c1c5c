"""One training from start to end: a recipe applied, a head begun, what it promised checked."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from featprobe.backbones.base import Backbone
from featprobe.backbones.source import drawn
from featprobe.core.errors import InputError
from featprobe.evaluation.fitted import Data, View
from featprobe.evaluation.model_selection import choose
from featprobe.finetuning import checks, loop
from featprobe.finetuning.checkpoint import Standing
from featprobe.finetuning.course import Run, scores
from featprobe.finetuning.feeding import Feed
from featprobe.finetuning.images import Images
from featprobe.finetuning.inference import outputs
from featprobe.finetuning.memory import Peak, enough_memory
from featprobe.finetuning.network import Head, Network, wanted_of, width_of
from featprobe.finetuning.objective import Objective
from featprobe.finetuning.recipes.base import Recipe, blocks_of
from featprobe.finetuning.recomputing import recompute
from featprobe.finetuning.settings import Training
from featprobe.probes.logistic import LogisticProbe
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.training import steps_per_epoch

if TYPE_CHECKING:
    from accelerate import Accelerator

MEASURED = 20_000  # training items whose features the head is scaled by, at most


@dataclass
class Trial:
    """A finished training: its network, what became of it, and what it cost."""

    run: Run
    standing: Standing
    count: checks.Count
    unreached: list[str]
    peak: int
    accelerator: Accelerator

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """(n, C) scores of items."""
        with enough_memory(self.accelerator.device, self.run.training):
            return scores(self.run, self.accelerator, rows)


@dataclass(frozen=True)
class Task:
    """What all trials of a fine-tuning have in common.

    ``spec``: everything the weights depend on but the learning rate, as JSON values.
    """

    backbone: Backbone
    subject: Images
    data: Data
    items: np.ndarray
    recipe: Recipe
    training: Training
    spec: dict[str, Any]
    accelerator: Accelerator
    folder: Path
    progress: Any = False
    stop: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda text: None


def carry_out(task: Task, lr: float | None, whole_for: int | None = None) -> Trial:
    """Train with a learning rate, go on with what was begun, or take what is finished.

    ``whole_for``: train on train and val together, for so many epochs, instead of looking at val.
    Raises what :func:`~featprobe.finetuning.loop.train` does, and
    :class:`~featprobe.finetuning.checks.BrokenPromise`.
    """
    t, split, device = task.training, task.data.split, task.accelerator.device
    fit, val = split.train, split.val
    if whole_for is not None:
        fit, val = np.r_[fit, val], np.empty(0, dtype=np.int64)
        steps = whole_for * steps_per_epoch(len(fit), t.batch)
        warmup = min(t.warmup, steps) if t.warmup >= 1 else t.warmup
        t = replace(
            t, epochs=whole_for, steps=None, patience=None, keep="last", warmup=warmup
        )  # fmt: skip
    lr = task.recipe.lr if lr is None else lr
    t = replace(t, head_lr=t.head_lr or task.recipe.head_lr)
    with drawn(t.seed):
        trainable = task.recipe.apply(_copy(task.backbone))
        wanted = wanted_of(trainable.backbone, t.view)
        width = width_of(trainable.backbone, wanted)
        head = Head(width, task.data.columns, t.pool, t.head_dropout)
    if t.checkpointing:
        recompute(blocks_of(trainable.backbone))
    network = Network(trainable.backbone, wanted, head).to(device)
    trainable.backbone.device = device
    y = task.data.y
    objective = Objective.of(y[fit], task.data.task, task.subject.classes, t.smoothing, t.balanced)
    feed = Feed(task.subject.frames, task.items, objective.targets(y), t.train_frames)
    run = Run(
        network, trainable, objective, t, lr, feed, task.data.criterion, y, fit, val
    )  # fmt: skip
    share = min(len(fit), t.batch) // task.accelerator.num_processes
    checks.no_batch_of_one(trainable.live, share // t.accumulate)
    name = f"lr={float(lr)}" + ("-whole" if whole_for is not None else "")
    file = task.folder / f"{name}.pt"
    spec = {**task.spec, "lr": lr, "rows": "train and val" if whole_for is not None else "train"}
    if not file.is_file():
        _begin(run, task.recipe, task.data, task.accelerator)
    unreached = _unreached(run, task.recipe, task.accelerator)
    count = checks.count(network, head)
    task.say(f"{task.recipe.name}, lr {lr:g}: {count}")
    before = checks.frozen_state(network, trainable.live)
    label = f"{task.subject.dataset} x {task.backbone.name} {task.recipe.name} {name}"
    try:
        with Peak(device) as peak:
            standing = loop.train(
                run, task.accelerator, file, spec, label=label, progress=task.progress,
                stop=task.stop,
            )  # fmt: skip
        checks.still_frozen(before, checks.frozen_state(network, trainable.live))
    except checks.BrokenPromise:
        file.unlink(missing_ok=True)
        raise
    standing.peak = max(standing.peak, peak.bytes)
    if task.accelerator.is_main_process and not standing.ended:
        loop.finish(run, file, standing, spec)
    task.accelerator.wait_for_everyone()
    return Trial(run, standing, count, unreached, standing.peak, task.accelerator)


def _copy(backbone: Backbone) -> Backbone:
    """A backbone to be changed, as it was before extraction: blocks compiled for it run as they are
    written again, for the compiled ones read the weights they were made of."""
    made = copy.deepcopy(backbone)
    made.channels_last(False)
    for block in made.adapter.blocks_of(made.module):
        if hasattr(vars(block).get("forward"), "_torchdynamo_orig_callable"):
            del block.forward
    return made


def _begin(run: Run, recipe: Recipe, data: Data, accelerator: Accelerator) -> None:
    """Scale the head by the features at the start, and solve it where the recipe asks for that."""
    t, head = run.training, run.network.head
    rows = run.fit
    if recipe.start == "zeros":
        if not t.standardize:
            return
        if len(rows) > MEASURED:
            rows = np.sort(np.random.default_rng([t.seed, 2]).permutation(rows)[:MEASURED])
    elif t.pool == "attention" or data.task == "regression":
        raise InputError(
            f"{recipe.name} starts from the logistic probe, which is neither for regression nor "
            "for attention pooling"
        )
    x = _features(run, accelerator, rows)
    scale = Standardizer.of(x)
    if t.standardize:
        head.mean.copy_(torch.from_numpy(scale.mean))
        head.scale.copy_(torch.from_numpy(scale.scale))
    if recipe.start == "solved":
        _solve(run, data, accelerator, x)


def _features(run: Run, accelerator: Accelerator, rows: np.ndarray) -> np.ndarray:
    """(n, D) features that the head scales: of items, or of all their frames."""
    net = run.network
    with enough_memory(accelerator.device, run.training):
        return np.concatenate(
            outputs(net, run.backbone, run.feed, rows, accelerator, net.head.rows)
        )


def _solve(run: Run, data: Data, accelerator: Accelerator, x: np.ndarray) -> None:
    """The head of the logistic probe on the features at the start, its C chosen on val."""
    probe = LogisticProbe()
    if len(run.val):
        features = np.zeros((len(data.y), x.shape[1]), dtype=np.float32)
        features[run.fit], features[run.val] = x, _features(run, accelerator, run.val)
        seen = replace(data, read=lambda _view: features, views=[View("", "mean")])
        choice = choose(probe, seen)
        probe = probe.fresh(Cs=choice.probe.candidates()[choice.index]["Cs"])
    else:
        probe = probe.fresh(Cs=1.0)
    probe.fit(x, data.y[run.fit], groups=data.groups[run.fit])
    weight, bias = probe.linear()
    codes = np.asarray(probe.classes_) if data.y.ndim == 1 else np.arange(data.classes)
    if data.y.ndim == 1 and len(codes) == 2:  # one logit z is softmax's of -z / 2 and z / 2
        weight, bias = np.r_[-weight, weight] / 2, np.r_[-bias, bias] / 2
    head = run.network.head
    assert isinstance(head.linear, torch.nn.Linear)
    scale = head.scale.cpu().double().numpy()
    with torch.no_grad():
        head.linear.weight[codes] = torch.from_numpy(weight * scale).to(head.linear.weight)
        shift = torch.from_numpy(bias + weight @ head.mean.cpu().double().numpy())
        head.linear.bias[codes] = shift.to(head.linear.bias)


def _unreached(run: Run, recipe: Recipe, accelerator: Accelerator) -> list[str]:
    """Names of parameters that the recipe would train but the features do not depend on."""
    run.network.eval()
    _, frames, target = run.feed.read(next(run.feed.plan(run.fit[:2])))
    with enough_memory(accelerator.device, run.training), accelerator.autocast():
        x = run.backbone.normalised(frames.shown(accelerator.device))
        loss = run.objective(run.network(x, frames.counts).float(), target.to(x.device))
    return checks.freeze_unreached(run.network, loss, recipe.name, blocks_of(run.backbone))
