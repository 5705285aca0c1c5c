"""One trial from start to end: a recipe applied, a head begun, what was promised checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from featprobe.backbones.source import drawn
from featprobe.core.errors import InputError
from featprobe.evaluation.fitted import View
from featprobe.evaluation.model_selection import choose
from featprobe.finetuning import checks, loop
from featprobe.finetuning.experiment import Experiment
from featprobe.finetuning.inference import outputs
from featprobe.finetuning.memory import Peak, enough_memory
from featprobe.finetuning.recipes.base import blocks_of
from featprobe.finetuning.recomputing import recompute
from featprobe.finetuning.state import TrainState
from featprobe.probes.logistic import LogisticProbe
from featprobe.probes.standardizer import Standardizer

MEASURED = 20_000  # training items whose features the head is scaled by, at most


def run_trial(experiment: Experiment, stop: Callable[[], bool] = lambda: False) -> TrainState:
    """Train at the rate of the trial, go on with what was begun, or take what is finished.

    Raises what :func:`~featprobe.finetuning.loop.train` does, and
    :class:`~featprobe.finetuning.checks.BrokenPromise`.
    """
    accelerator = experiment.accelerator
    state = _begin(experiment)
    experiment.say(f"{experiment.recipe.name}, lr {experiment.lr:g}: {state.count}")
    before = checks.frozen_state(state.network, state.trainable.live)
    try:
        with Peak(accelerator.device) as peak:
            loop.train(state, stop)
        checks.still_frozen(before, checks.frozen_state(state.network, state.trainable.live))
    except checks.BrokenPromise:
        experiment.file.unlink(missing_ok=True)
        raise
    state.peak = max(state.peak, peak.bytes)
    if accelerator.is_main_process and not state.ended:
        loop.finish(state)
    accelerator.wait_for_everyone()
    return state


def measured(state: TrainState, rows: np.ndarray) -> np.ndarray:
    """(n, D) features that the head scales: of items, or of all their frames."""
    return np.concatenate(outputs(state, rows, state.network.head.rows))


def measured_rows(experiment: Experiment, most: int = MEASURED) -> np.ndarray:
    """The rows of ``fit`` whose features stand for all, ``most`` of them at most."""
    rows = experiment.fit
    if len(rows) <= most:
        return rows
    rng = np.random.default_rng([experiment.training.seed, 2])
    return np.sort(rng.permutation(rows)[:most])


def _begin(experiment: Experiment) -> TrainState:
    """The network before its first step, unless the trial's file has another."""
    t, recipe, device = experiment.effective, experiment.recipe, experiment.accelerator.device
    with drawn(t.seed):
        trainable = recipe.apply(experiment.backbone.copied())
        network = experiment.network(trainable.backbone)
    if t.checkpointing:
        recompute(blocks_of(trainable.backbone))
    network.to(device)
    trainable.backbone.device = device
    state = TrainState(experiment, network, trainable)
    together = min(len(experiment.fit), t.batch) // experiment.accelerator.num_processes
    checks.no_batch_of_one(trainable.live, together // t.accumulate)
    if not experiment.file.is_file():
        _begin_head(state)
    state.unreached = _unreached(state)
    state.count = checks.count(network, network.head)
    return state


def _begin_head(state: TrainState) -> None:
    """Scale the head by the features at the start, and solve it where the recipe asks for that."""
    experiment, head = state.experiment, state.network.head
    t, recipe = experiment.effective, experiment.recipe
    rows = experiment.fit
    if recipe.start == "zeros":
        if not t.standardize:
            return
        rows = measured_rows(experiment)
    elif t.pool == "attention" or experiment.data.task == "regression":
        raise InputError(
            f"{recipe.name} starts from the logistic probe, which is neither for regression nor "
            "for attention pooling"
        )
    x = measured(state, rows)
    if t.standardize:
        scale = Standardizer.of(x)
        head.mean.copy_(torch.from_numpy(scale.mean))
        head.scale.copy_(torch.from_numpy(scale.scale))
    if recipe.start == "solved":
        _solve_head(state, x)


def _solve_head(state: TrainState, x: np.ndarray) -> None:
    """The head of the logistic probe on the features at the start, its C chosen on val."""
    experiment, data = state.experiment, state.experiment.data
    fit, val = experiment.fit, experiment.val
    probe = LogisticProbe()
    if len(val):
        features = np.zeros((len(data.y), x.shape[1]), dtype=np.float32)
        features[fit], features[val] = x, measured(state, val)
        seen = replace(data, read=lambda _view: features, views=[View("", "mean")])
        choice = choose(probe, seen)
        probe = probe.fresh(Cs=choice.probe.candidates()[choice.index]["Cs"])
    else:
        probe = probe.fresh(Cs=1.0)
    probe.fit(x, data.y[fit], groups=data.groups[fit])
    weight, bias = probe.linear()
    codes = np.asarray(probe.classes_) if data.y.ndim == 1 else np.arange(data.classes)
    if data.y.ndim == 1 and len(codes) == 2:  # one logit z is softmax's of -z / 2 and z / 2
        weight, bias = np.r_[-weight, weight] / 2, np.r_[-bias, bias] / 2
    head = state.network.head
    assert isinstance(head.linear, torch.nn.Linear)
    scale = head.scale.cpu().double().numpy()
    with torch.no_grad():
        head.linear.weight[codes] = torch.from_numpy(weight * scale).to(head.linear.weight)
        shift = torch.from_numpy(bias + weight @ head.mean.cpu().double().numpy())
        head.linear.bias[codes] = shift.to(head.linear.bias)


def _unreached(state: TrainState) -> list[str]:
    """Names of parameters that the recipe would train but the features do not depend on."""
    experiment, loader = state.experiment, state.experiment.loader
    accelerator = experiment.accelerator
    state.network.eval()
    _, frames, target = loader.read(next(loader.micro_batches(experiment.fit[:2])))
    with enough_memory(accelerator.device, experiment.effective), accelerator.autocast():
        x = state.backbone.normalised(frames.shown(accelerator.device))
        logits = state.network(x, frames.counts).float()
        loss = experiment.objective(logits, target.to(x.device))
    blocks = blocks_of(state.backbone)
    return checks.freeze_unreached(state.network, loss, experiment.recipe.name, blocks)
