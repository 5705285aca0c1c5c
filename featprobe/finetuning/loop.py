"""The loop: steps in a fixed order, epochs judged on val, a checkpoint that any kill may follow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from featprobe.core.errors import Unfinished
from featprobe.core.progress import Progress
from featprobe.finetuning import checkpoint
from featprobe.finetuning.augment import augment
from featprobe.finetuning.average import Average, statistics
from featprobe.finetuning.checkpoint import Standing
from featprobe.finetuning.checks import Gradients
from featprobe.finetuning.course import Diverged, Run, calmer, judge
from featprobe.finetuning.feeding import Fed, Part
from featprobe.finetuning.memory import enough_memory
from featprobe.finetuning.optim import groups, optimizer, schedule
from featprobe.solvers.training import batches

if TYPE_CHECKING:
    from accelerate import Accelerator

SECONDS = 300.0  # between checkpoints within an epoch
SHARE = 20  # times what a slow one took pass before the next epoch's end is kept
QUICK = 0.5  # seconds that any may take
LOOK = 10  # steps between looks at the loss on a GPU, which would wait for it


def train(
    run: Run, accelerator: Accelerator, file: Path, spec: dict[str, Any], *, label: str,
    progress: Any = False, stop: Callable[[], bool] = lambda: False,
) -> Standing:  # fmt: skip
    """Train, or go on from ``file``; the network holds the weights to be kept afterwards.

    These are in no checkpoint yet: :func:`finish` writes them, once they have been looked at.

    ``spec``: what the checkpoint must have been made with. Every step draws from a generator of its
    own, seeded by the training's seed and the number of the step, so that a training that was
    killed ends with the weights of one that was not.

    Raises :class:`InputError` for a loss that is not finite, memory that does not suffice and a
    checkpoint of another training, :class:`~featprobe.core.errors.Unfinished` when stopped.
    """
    t = run.training
    if accelerator.scaler is not None:  # one of an earlier training has another scale
        accelerator.scaler = type(accelerator.scaler)(accelerator.device.type)
    moved = optimizer(groups(run.backbone, run.network.head, t, run.lr), t)
    factor = schedule(t, run.steps)
    peaks = [group["lr"] for group in moved.param_groups]
    network, moving = accelerator.prepare(run.network, moved)
    named = [(n, p) for n, p in run.network.named_parameters() if p.requires_grad]
    moments = statistics(run.trainable.live)
    average = None
    if t.ema is not None:
        average = Average([*(p for _, p in named), *moments], t.ema)
    standing = Standing()
    state = checkpoint.State(run.network, run.trainable.live, moving, average, accelerator.scaler)
    if file.is_file():
        standing = checkpoint.read(file, state, spec)
    gradients = Gradients(named)
    sum_of = torch.zeros((), device=accelerator.device)
    saved = begun = time.monotonic()
    wrote = 0.0
    before = standing.seconds
    with (
        torch.random.fork_rng(enabled=True, devices=_devices(accelerator)),
        Progress(label, run.steps, "steps", progress) as shown,
        run.feed.ahead(_parts(run, standing.step, accelerator)) as parts,
    ):
        for step in range(standing.step, run.steps if not standing.ended else 0):
            if standing.done:
                break
            run.trainable.train()
            run.network.head.train()
            torch.manual_seed(_number([t.seed, step, accelerator.process_index]))
            for group, peak in zip(moving.param_groups, peaks):
                group["lr"] = peak * factor(step)
            with enough_memory(accelerator.device, t):
                loss = _step(run, network, moving, accelerator, parts, gradients, named)
            if average is not None:
                average.update()
            sum_of += loss
            standing.step, standing.counted = step + 1, standing.counted + 1
            ends = (step + 1) % run.epoch == 0 or step + 1 == run.steps
            asked = _agreed(stop(), ends, accelerator)
            looks = ends or asked or accelerator.device.type == "cpu" or step % LOOK == 0
            if looks:
                mean = float(accelerator.reduce(sum_of, "mean"))
                standing.total = _finite(standing.total + mean, run, step, file)
                sum_of.zero_()
            if ends:
                gradients.check(spec["recipe"])
                _share(moments, average, accelerator)
                began = time.monotonic()
                with enough_memory(accelerator.device, t):
                    judge(run, accelerator, standing, average)
                standing.judging += time.monotonic() - began
            standing.seconds = before + time.monotonic() - begun
            since = time.monotonic() - saved
            if asked or (ends and since > SHARE * (wrote - QUICK)) or (looks and since > SECONDS):
                began = time.monotonic()
                if accelerator.is_main_process:
                    checkpoint.write(file, state, standing, spec)
                saved = time.monotonic()
                wrote = saved - began
            shown.update(step + 1)
            if asked:
                accelerator.wait_for_everyone()  # who ends first has the others ended
                raise Unfinished(
                    f"{label}: stopped at step {step + 1} of {run.steps}; the same command goes "
                    "on from there", 130,
                )  # fmt: skip
    accelerator.free_memory()  # it holds all that it prepared
    run.network.eval()
    if standing.ended:
        return standing
    if t.keep == "best" and standing.best:
        checkpoint.put_back(run.network, standing.best)
    elif average is not None:
        average.copy()
    standing.best = {}
    return standing


def finish(run: Run, file: Path, standing: Standing, spec: dict[str, Any]) -> None:
    """Keep the weights of a training that has ended, instead of what it needed to go on."""
    standing.ended = True
    checkpoint.write(
        file, checkpoint.State(run.network, run.trainable.live, None, None), standing, spec
    )


def _parts(run: Run, start: int, accelerator: Accelerator) -> Iterator[Part]:
    """The parts of all batches that this process sees, from a step on.

    Their shares make the mean over processes of the sums of their losses that of the whole batch,
    however unknown targets and weights of classes are spread.
    """
    t, n = run.training, accelerator.num_processes
    for step, drawn in enumerate(batches(len(run.fit), t.batch, run.steps, t.seed)):
        if step < start:
            continue
        step_rows = run.fit[drawn]
        own = np.array_split(step_rows, n)[accelerator.process_index]
        every = run.objective.mass(run.feed.targets[step_rows])
        for i, rows in enumerate(np.array_split(own, min(t.accumulate, len(own)))):
            # numpy takes zeros at the end of a seed for nothing: 0 is that of the step
            seed = (t.seed, step, accelerator.process_index, i + 1)
            last = i + 1 == min(t.accumulate, len(own))
            share = n * run.objective.mass(run.feed.targets[rows]) / every if every else 0.0
            yield Part(rows, share, last, seed)


def _step(
    run: Run, network: Any, moving: Any, accelerator: Accelerator, parts: Iterator[Fed],
    gradients: Gradients, named: Sequence[tuple[str, Tensor]],
) -> Tensor:  # fmt: skip
    """One optimizer step; its loss, on the device."""
    total = torch.zeros((), device=accelerator.device)
    moving.zero_grad()
    while True:
        part, frames, target = next(parts)
        x = frames.shown(accelerator.device)
        if run.training.augment:
            assert part.seed is not None
            generator = torch.Generator().manual_seed(_number(part.seed))
            x = augment(x, run.training.augment, generator)
        with nullcontext() if part.last else accelerator.no_sync(network):
            logits = network(run.backbone.normalised(x), frames.counts)
            loss = run.objective(logits.float(), target.to(accelerator.device)) * part.share
            accelerator.backward(loss)
        total += loss.detach()
        if part.last:
            break
    gradients.see()
    if run.training.clip is not None:
        accelerator.clip_grad_norm_([p for _, p in named], run.training.clip)
    moving.step()
    return total


def _share(
    moments: Sequence[Tensor], average: Average | None, accelerator: Accelerator
) -> None:  # fmt: skip
    """Give all processes the statistics of the first: each has those of its own last batch."""
    if accelerator.num_processes == 1 or not moments:
        return
    from accelerate.utils import broadcast

    for value in (*moments, *(average.values if average is not None else ())):
        broadcast(value)


def _agreed(asked: bool, ends: bool, accelerator: Accelerator) -> bool:
    """Whether to stop; several processes must all do so, which they settle at an epoch's end."""
    if accelerator.num_processes == 1:
        return asked
    if not ends:
        return False
    votes = torch.tensor(float(asked), device=accelerator.device)
    return float(accelerator.reduce(votes, "sum")) > 0


def _finite(total: float, run: Run, step: int, file: Path) -> float:
    if math.isfinite(total):
        return total
    kept = f"; {file.parent} keeps the last good state" if file.is_file() else ""
    raise Diverged(f"the loss is {total} at step {step + 1} of {run.steps} {calmer(run)}{kept}")


def _number(seed: Sequence[int]) -> int:
    return int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0] >> 1)


def _devices(accelerator: Accelerator) -> list[torch.device]:
    return [accelerator.device] if accelerator.device.type == "cuda" else []
