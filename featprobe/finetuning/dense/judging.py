"""What a network that trains is worth on items: on the grid of the answer, and in their voxels."""

from __future__ import annotations

import copy

import numpy as np

from featprobe.finetuning.dense.experiment import DenseExperiment
from featprobe.finetuning.dense.frame_items import FrameItems
from featprobe.finetuning.dense.network import DenseNetwork
from featprobe.finetuning.state import TrainState
from featprobe.segmentation.fitted import Networks, look
from featprobe.segmentation.items import MaskedItems


def experiment_of(state: TrainState) -> DenseExperiment:
    assert isinstance(state.experiment, DenseExperiment)
    return state.experiment


def fitted_of(state: TrainState) -> Networks:
    """The decoder as it is, for functions that take decoders on stored tokens."""
    experiment = experiment_of(state)
    network = state.network.eval()
    assert isinstance(network, DenseNetwork)
    return Networks(
        experiment.segmentation.network, [network.head.decoder], [{"lr": experiment.lr}],
        experiment.masked.multilabel, [],
    )  # fmt: skip


def seen_items(state: TrainState) -> MaskedItems:
    """The items with the tokens of the network as it is."""
    masked = experiment_of(state).masked
    assert isinstance(masked.tokens, FrameItems)
    seen = copy.copy(masked)  # labels and images on the grid stay those that were made
    seen.tokens = masked.tokens.seen_by(state)
    return seen


def judged(state: TrainState) -> tuple[tuple[float, float], float]:
    """By what epochs and rates are compared on val, and the mean Dice of items there.

    As candidates of a decoder on stored tokens are (:func:`~featprobe.segmentation.fitted.look`),
    by every process on its own.
    """
    experiment = experiment_of(state)
    found = look(fitted_of(state), seen_items(state), experiment.val)
    dice, loss = float(found.dice[0]), float(found.loss[0])
    worth = -np.inf if np.isnan(dice) else round(dice, 6)
    by_loss = experiment.data.criterion.by == "log_loss"
    return ((-loss, worth) if by_loss else (worth, -loss)), dice
