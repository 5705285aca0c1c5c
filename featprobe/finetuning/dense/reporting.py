"""The Result of a fine-tuning to masks, beside those of decoders on stored tokens."""

from __future__ import annotations

import numpy as np

from featprobe.evaluation.results import Result
from featprobe.finetuning.dense.judging import experiment_of, fitted_of, seen_items
from featprobe.finetuning.dense.settings import Segmentation
from featprobe.finetuning.reporting import PROBE, notes_of_training, say_training
from featprobe.finetuning.state import TrainState
from featprobe.metrics.item_scores import ItemScores
from featprobe.segmentation.losses import Loss
from featprobe.segmentation.reporting import result_of
from featprobe.segmentation.training import Training as DecoderTraining
from featprobe.segmentation.work import Outcome, Work

# of a training: the protocol and the settings have some, the others mean nothing here
_UNSAID = (
    "seed", "refit", "select", "balanced", "head_dropout", "view", "pool", "train_frames",
    "standardize",
)  # fmt: skip


def report(state: TrainState, resamples: int, label: str) -> tuple[Result, ItemScores]:
    """The Result of the trial that was chosen, and the test items that it is of."""
    experiment = experiment_of(state)
    t, segmentation, split = experiment.training, experiment.segmentation, experiment.data.split
    several = len(experiment.lrs) > 1
    work = Work(
        segmentation.network, seen_items(state),
        DecoderTraining(lr=(experiment.lr,), scale=segmentation.scale, loss=segmentation.loss),
        (t.seed,), experiment.data.criterion.by, t.refit,
    )  # fmt: skip
    val = {} if np.isnan(state.val) else {"dice": state.val}
    outcome = Outcome(
        [work.scores(fitted_of(state), split.test)], [split.test],
        {"lr": experiment.lr} if several else {}, len(experiment.fit_items), val,
        seconds=state.seconds, notes=notes_of_training(state),
    )  # fmt: skip
    result, scored, _ = result_of(work, experiment.protocol, split, outcome, resamples, label)
    result.probe = PROBE
    own = {k: v for k, v in t.to_dict().items() if k not in _UNSAID}
    recipe = experiment.recipe
    result.params = {
        "recipe": recipe.name, **recipe.to_dict(), **segmentation.to_dict(), **own,
        "lr": experiment.lr,
    }  # fmt: skip
    if several:
        result.settings["lrs"] = sorted(experiment.lrs)
    say_training(result, state)
    usual = Segmentation(segmentation.network.name, Loss("dice_ce")).to_dict()
    result.settings["usual"] += [k for k, v in segmentation.to_dict().items() if usual[k] == v]
    return result, scored
