"""The loop: steps in a fixed order, epochs judged on val, a checkpoint that any kill may follow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featprobe.backbones.augment import augment_both
from featprobe.core.errors import Unfinished
from featprobe.core.progress import Progress
from featprobe.core.stopwatch import spent
from featprobe.finetuning import checkpoint
from featprobe.finetuning.average import Average, statistics
from featprobe.finetuning.checks import Gradients
from featprobe.finetuning.experiment import Experiment
from featprobe.finetuning.loader import Fed, MicroBatch
from featprobe.finetuning.memory import enough_memory
from featprobe.finetuning.optim import groups, optimizer, schedule
from featprobe.finetuning.state import TrainState
from featprobe.finetuning.validation import Diverged, calmer, validate
from featprobe.solvers.training import batches

SECONDS = 300.0  # between checkpoints within an epoch
SHARE = 20  # times what a slow one took pass before the next epoch's end is kept
QUICK = 0.5  # seconds that any may take
LOOK = 10  # steps between looks at the loss on a GPU, which would wait for it


def train(state: TrainState, stop: Callable[[], bool] = lambda: False) -> None:
    """Train, or go on from the trial's file; the network holds the weights to be kept afterwards.

    These are in no checkpoint yet: :func:`finish` writes them, once they have been looked at.

    Every step draws from a generator of its own, seeded by the training's seed and the number of
    the step, so that a training that was killed ends with the weights of one that was not.

    Raises :class:`InputError` for a loss that is not finite, memory that does not suffice and a
    checkpoint of another training, :class:`~featprobe.core.errors.Unfinished` when stopped.
    """
    experiment = state.experiment
    t, accelerator = experiment.effective, experiment.accelerator
    if accelerator.scaler is not None:  # one of an earlier training has another scale
        accelerator.scaler = type(accelerator.scaler)(accelerator.device.type)
    made = optimizer(groups(state.backbone, state.network.head, t, experiment.lr), t)
    factor = schedule(t, experiment.steps)
    peaks = [group["lr"] for group in made.param_groups]
    network, state.optimizer = accelerator.prepare(state.network, made)
    named = [(n, p) for n, p in state.network.named_parameters() if p.requires_grad]
    moments = statistics([*state.trainable.live, *state.network.live])
    if t.ema is not None:
        state.average = Average([p for _, p in named], t.ema, moments)
    if experiment.file.is_file():
        checkpoint.read(state)
    gradients = Gradients(named)
    sum_of = torch.zeros((), device=accelerator.device)
    saved = begun = time.monotonic()
    wrote = 0.0
    before = state.seconds
    with (
        torch.random.fork_rng(enabled=True, devices=_devices(accelerator)),
        Progress(experiment.label, experiment.steps, "steps", experiment.progress) as shown,
        experiment.loader.prefetched(_micro_batches(experiment, state.step)) as parts,
    ):
        for step in range(state.step, experiment.steps if not state.ended else 0):
            if state.done:
                break
            state.trainable.train()
            state.network.head.train()
            torch.manual_seed(_number([t.seed, step, accelerator.process_index]))
            for group, peak in zip(state.optimizer.param_groups, peaks):
                group["lr"] = peak * factor(step)
            with enough_memory(accelerator.device, t), spent("network"):
                loss = _step(state, network, parts, gradients, named)
            if state.average is not None:
                state.average.update()
            sum_of += loss
            state.step, state.counted = step + 1, state.counted + 1
            ends = (step + 1) % experiment.epoch == 0 or step + 1 == experiment.steps
            stopping = _agreed(stop(), ends, accelerator)
            looks = ends or stopping or accelerator.device.type == "cpu" or step % LOOK == 0
            if looks:
                mean = float(accelerator.reduce(sum_of, "mean"))
                state.total = _finite(state.total + mean, experiment, step)
                sum_of.zero_()
            if ends:
                gradients.check(experiment.recipe.name)
                _share(moments, state.average, accelerator)
                began = time.monotonic()
                with enough_memory(accelerator.device, t), spent("validation"):
                    validate(state)
                state.judging += time.monotonic() - began
            state.seconds = before + time.monotonic() - begun
            since = time.monotonic() - saved
            if stopping or _due(since, wrote, ends, looks):
                began = time.monotonic()
                if accelerator.is_main_process:
                    with spent("checkpoints"):
                        checkpoint.write(state)
                saved = time.monotonic()
                wrote = saved - began
            shown.update(step + 1)
            if stopping:
                accelerator.wait_for_everyone()  # who ends first has the others ended
                raise Unfinished(
                    f"{experiment.label}: stopped at step {step + 1} of {experiment.steps}; the "
                    "same command goes on from there", 130,
                )  # fmt: skip
    accelerator.free_memory()  # it holds all that it prepared
    state.network.eval()
    if not state.ended:
        _take_what_is_kept(state)
    state.optimizer = state.average = None
    state.best = {}


def finish(state: TrainState) -> None:
    """Keep the weights of a training that has ended, instead of what it needed to go on."""
    state.ended = True
    checkpoint.write(state)


def _due(since: float, wrote: float, ends: bool, looks: bool) -> bool:
    """Whether a checkpoint is to be written, ``since`` seconds after one that took ``wrote``.

    At the end of an epoch, unless so little time has passed that slow ones would take more than a
    part of it; within one where ``looks``, once a long time has passed.
    """
    return (ends and since > SHARE * (wrote - QUICK)) or (looks and since > SECONDS)


def _take_what_is_kept(state: TrainState) -> None:
    """The network takes the weights of its best epoch, or their average."""
    if state.experiment.effective.keep == "best" and state.best:
        checkpoint.load_weights(state.network, state.best)
    elif state.average is not None:
        state.average.copy()


def _micro_batches(experiment: Experiment, start: int) -> Iterator[MicroBatch]:
    """The parts of all batches that this process sees, from a step on.

    Their shares make the mean over processes of the sums of their losses that of the whole batch,
    however unknown targets and weights of classes are spread; where it is to be summed over items,
    that times their number.
    """
    t, fit, mass = experiment.effective, experiment.fit, experiment.mass
    summed = t.reduction == "sum" and experiment.data.task == "multilabel"
    n, rank = experiment.accelerator.num_processes, experiment.accelerator.process_index
    for step, drawn in enumerate(batches(len(fit), t.batch, experiment.steps, t.seed)):
        if step < start:
            continue
        step_rows = fit[drawn]
        own = np.array_split(step_rows, n)[rank]
        every = mass(step_rows)
        for i, rows in enumerate(np.array_split(own, min(t.accumulate, len(own)))):
            # numpy takes zeros at the end of a seed for nothing: 0 is that of the step
            seed = (t.seed, step, rank, i + 1)
            last = i + 1 == min(t.accumulate, len(own))
            share = n * mass(rows) / every * (len(step_rows) if summed else 1) if every else 0.0
            yield MicroBatch(rows, share, last, seed)


def _step(
    state: TrainState, network: Any, parts: Iterator[Fed], gradients: Gradients,
    named: Sequence[tuple[str, Tensor]],
) -> Tensor:  # fmt: skip
    """One optimizer step; its loss, on the device. ``network``: as accelerate has prepared it."""
    experiment, accelerator = state.experiment, state.experiment.accelerator
    t, device = experiment.effective, accelerator.device
    total = torch.zeros((), device=device)
    state.optimizer.zero_grad()
    while True:
        with spent("waiting for frames"):
            part, frames, target = next(parts)
        x = frames.shown(device)
        if t.augment:
            assert part.seed is not None
            generator = torch.Generator().manual_seed(_number(part.seed))
            x, target = augment_both(x, target.to(device), t.augment, generator)
        with nullcontext() if part.last else accelerator.no_sync(network):
            logits = network(state.backbone.normalised(x), frames.counts)
            loss = experiment.objective(logits.float(), target.to(device)) * part.share
            accelerator.backward(loss)
        total += loss.detach()
        if part.last:
            break
    gradients.see()
    if t.clip is not None:
        accelerator.clip_grad_norm_([p for _, p in named], t.clip)
    state.optimizer.step()
    return total


def _share(moments: Sequence[Tensor], average: Average | None, accelerator: Any) -> None:
    """Give all processes the statistics of the first: each has those of its own last batch."""
    if accelerator.num_processes == 1 or not moments:
        return
    from accelerate.utils import broadcast

    for value in (*moments, *(average.values if average is not None else ())):
        broadcast(value)


def _agreed(requested: bool, ends: bool, accelerator: Any) -> bool:
    """Whether to stop; several processes must all do so, which they settle at an epoch's end."""
    if accelerator.num_processes == 1:
        return requested
    if not ends:
        return False
    votes = torch.tensor(float(requested), device=accelerator.device)
    return float(accelerator.reduce(votes, "sum")) > 0


def _finite(total: float, experiment: Experiment, step: int) -> float:
    if math.isfinite(total):
        return total
    file = experiment.file
    kept = f"; {file.parent} keeps the last good state" if file.is_file() else ""
    raise Diverged(
        f"the loss is {total} at step {step + 1} of {experiment.steps} {calmer(experiment)}{kept}"
    )


def _number(seed: Sequence[int]) -> int:
    return int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0] >> 1)


def _devices(accelerator: Any) -> list[torch.device]:
    return [accelerator.device] if accelerator.device.type == "cuda" else []
