"""A training under way: what is trained, and what val says of it."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.finetuning import checkpoint
from featprobe.finetuning.average import Average
from featprobe.finetuning.checkpoint import Standing
from featprobe.finetuning.feeding import Feed
from featprobe.finetuning.inference import outputs
from featprobe.finetuning.network import Network
from featprobe.finetuning.objective import Objective
from featprobe.finetuning.recipes.base import Trainable
from featprobe.finetuning.settings import Training
from featprobe.metrics import measures as metrics
from featprobe.probes.selection import Criterion
from featprobe.probes.single_class import constants, settled
from featprobe.solvers.training import steps_per_epoch

if TYPE_CHECKING:
    from accelerate import Accelerator


class Diverged(InputError):
    """A loss or scores that are not finite."""


@dataclass
class Run:
    """Everything that is trained and what it is trained on.

    ``y`` (N,) or (N, C) targets of all labelled items; ``fit``, ``val``: their rows; without
    ``val`` the last weights are kept. ``criterion``: by what epochs are compared on val.
    """

    network: Network
    trainable: Trainable
    objective: Objective
    training: Training
    lr: float
    feed: Feed
    criterion: Criterion
    y: np.ndarray
    fit: np.ndarray
    val: np.ndarray

    @property
    def backbone(self) -> Backbone:
        return self.trainable.backbone

    @property
    def epoch(self) -> int:
        """Steps of an epoch."""
        return steps_per_epoch(len(self.fit), self.training.batch)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.training.steps or max(1, math.ceil(self.training.epochs * self.epoch))


def judge(run: Run, accelerator: Accelerator, standing: Standing, average: Average | None) -> None:
    """Close an epoch: its loss, what val says, and whether its weights are the best so far."""
    entry = {"step": standing.step, "loss": standing.total / max(1, standing.counted)}
    standing.total, standing.counted = 0.0, 0
    with average.put_in() if average is not None else nullcontext():
        if len(run.val):
            p = scores(run, accelerator, run.val)
            now = run.criterion.merit(p, run.y[run.val])
            ranking = metrics.ranking(run.criterion.task)
            found = metrics.compute(run.criterion.task, run.y[run.val], p, wanted=[ranking])
            entry["val"] = float(found[ranking][0])
            standing.waited += 1
            better = now > standing.top
            if better:
                standing.top, standing.waited, standing.best_step = now, 0, standing.step
            if better and run.training.keep == "best":
                standing.best = checkpoint.kept(run.network, run.trainable.live)
            if better or run.training.keep == "last":
                standing.merit, standing.val = now, entry["val"]
    standing.history.append(entry)
    if not len(run.val):
        standing.best_step = standing.step
    patience = run.training.patience
    standing.done = patience is not None and standing.waited >= patience


def scores(run: Run, accelerator: Accelerator, rows: np.ndarray) -> np.ndarray:
    """(n, C) probabilities or values of items, in the order of ``rows``.

    A label of which training has one value only is scored as that value, as probes score it.
    """
    n, rank = accelerator.num_processes, accelerator.process_index
    own = np.array_split(rows, n)[rank]
    out = outputs(run.network, run.backbone, run.feed, own, accelerator, run.network.head)
    if n > 1:
        from accelerate.utils import gather_object

        out = gather_object(out)
    logits = np.concatenate(out)
    if not np.isfinite(logits).all():
        raise InputError(f"the scores of the trained network are not finite {calmer(run)}")
    return settled(run.objective.scores(logits), constants(run.y[run.fit]))


def calmer(run: Run) -> str:
    """What may help against values that are not finite."""
    t = run.training
    calmer = ["a smaller --lr", *(["--set clip=1"] if t.clip is None else [])]
    calmer += ["--precision float32"] if t.precision not in (None, "float32") else []
    return f"(lr {run.lr:g}, head_lr {t.head_lr:g}): use {' or '.join(calmer)}"
