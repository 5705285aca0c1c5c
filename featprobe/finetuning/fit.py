"""All trials of an experiment: val chooses among learning rates, and the best may be refitted."""

from __future__ import annotations

import math
from collections.abc import Callable

from featprobe.finetuning.experiment import Experiment
from featprobe.finetuning.state import TrainState
from featprobe.finetuning.trial import run_trial
from featprobe.finetuning.validation import Diverged


def fit(experiment: Experiment, stop: Callable[[], bool] = lambda: False) -> TrainState:
    """The trial of the learning rate that val prefers, trained again on all where that is asked.

    A rate that diverges is not chosen, as of a probe's; :class:`Diverged` where all do.
    """
    found: list[TrainState] = []
    failed: list[Diverged] = []
    for lr in experiment.lrs:
        try:
            found.append(run_trial(experiment.trial(lr), stop))
        except Diverged as error:
            failed.append(error)
            experiment.say(f"lr {lr:g} is left out: {error}")
        # one network at a time: what loses is on disk
        found = sorted(found, key=lambda state: state.selection_score, reverse=True)[:1]
    if not found:
        raise failed[0]
    return refit(found.pop(), stop) if experiment.training.refit else found.pop()


def refit(state: TrainState, stop: Callable[[], bool] = lambda: False) -> TrainState:
    """A trial once more on train and val, for as many epochs as were best on val."""
    experiment = state.experiment
    epochs = max(1, math.ceil(state.best_step / experiment.epoch))
    history, val = state.history, state.val
    del state  # one network at a time
    whole = run_trial(experiment.trial(experiment.lr, epochs), stop)
    whole.history, whole.val = [*history, *whole.history], val
    return whole
