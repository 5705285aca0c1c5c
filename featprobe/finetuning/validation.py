"""What val says of a training under way."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.tracking import track
from featprobe.finetuning import checkpoint
from featprobe.finetuning.experiment import Experiment
from featprobe.finetuning.inference import outputs
from featprobe.finetuning.state import TrainState
from featprobe.metrics import measures as metrics
from featprobe.probes.single_class import constants, settled


class Diverged(InputError):
    """A loss or scores that are not finite."""


def validate(state: TrainState) -> None:
    """Close an epoch: its loss, what val says, and whether its weights are the best so far."""
    experiment = state.experiment
    t, val = experiment.effective, experiment.val
    entry = {"step": state.step, "loss": state.total / max(1, state.counted)}
    state.total, state.counted = 0.0, 0
    with state.average.put_in() if state.average is not None else nullcontext():
        if len(val):
            now, entry["val"] = (experiment.judge or judged)(state)
            state.waited += 1
            better = now > state.top
            if better:
                state.top, state.waited, state.best_step = now, 0, state.step
            if better and t.keep == "best":
                state.best = checkpoint.weights_of(state)
            if better or t.keep == "last":
                state.selection_score, state.val = now, entry["val"]
    state.history.append(entry)
    track({n: v for n, v in entry.items() if n != "step"}, state.step)
    if not len(val):
        state.best_step = state.step
    state.done = t.patience is not None and state.waited >= t.patience


def judged(state: TrainState) -> tuple[tuple[float, float], float]:
    """What the weights of this moment are worth on val: what epochs and rates are compared by, more
    being better, and the metric that results are ranked by."""
    experiment, val = state.experiment, state.experiment.val
    p, y = scores(state, val), experiment.y[val]
    criterion = experiment.data.criterion
    ranking = metrics.ranking(criterion.task)
    found = metrics.compute(criterion.task, y, p, wanted=[ranking])
    return criterion.selection_score(p, y), float(found[ranking][0])


def scores(state: TrainState, rows: np.ndarray) -> np.ndarray:
    """(n, C) probabilities or values of items, in the order of ``rows``.

    A label of which training has one value only is scored as that value, as probes score it.
    """
    experiment, accelerator = state.experiment, state.experiment.accelerator
    n, rank = accelerator.num_processes, accelerator.process_index
    own = np.array_split(rows, n)[rank]
    out = outputs(state, own, state.network.head)
    if n > 1:
        from accelerate.utils import gather_object

        out = gather_object(out)
    logits = np.concatenate(out)
    if not np.isfinite(logits).all():
        raise InputError(f"the scores of the trained network are not finite {calmer(experiment)}")
    fitted = experiment.y[experiment.fit]
    return settled(experiment.objective.scores(logits), constants(fitted))


def calmer(experiment: Experiment) -> str:
    """What may help against values that are not finite."""
    t = experiment.effective
    calmer = ["a smaller --lr", *(["--set clip=1"] if t.clip is None else [])]
    calmer += ["--precision float32"] if t.precision not in (None, "float32") else []
    return f"(lr {experiment.lr:g}, head_lr {t.head_lr:g}): use {' or '.join(calmer)}"
