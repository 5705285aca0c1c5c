"""Small torch networks trained on features: AdamW, stopped early on rows held out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.threads import one_torch_thread
from featprobe.solvers.training import (
    Objective,
    batches,
    loss,
    objective_of,
    probabilities,
    steps_per_epoch,
)

if TYPE_CHECKING:
    import torch

State = dict[str, np.ndarray]
Make = Callable[[], "torch.nn.Module"]
Feed = Callable[[np.ndarray], tuple[Any, ...]]


@dataclass(frozen=True)
class Training:
    """How a network is trained: AdamW at a constant rate, ``batch`` rows a step.

    ``patience``: epochs without a lower loss on the held-out rows after which training ends.
    """

    lr: float
    weight_decay: float
    batch: int
    epochs: int
    patience: int | None
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf or not 0 <= self.weight_decay < math.inf:
            raise InputError("lr must be positive and weight_decay not negative")
        if self.seed < 0:
            raise InputError("seed must not be negative")
        counts = self.batch, self.epochs, self.patience
        if any(v is not None and v < 1 for v in counts):
            raise InputError("batch, epochs and patience must be at least 1")


@dataclass(frozen=True)
class Networks:
    """Trained networks of one kind: ``states``, the weights of each, and how outputs are read.

    Values were trained towards ``(y - centre) / scale``.
    """

    states: list[State]
    objective: Objective
    centre: float
    scale: float

    def scores(self, makes: Sequence[Make], feed: Feed, rows: int, batch: int) -> np.ndarray:
        """(G, rows, C) probabilities or values, in batches of rows."""
        import torch

        out = []
        for network in self.rebuilt(makes):
            with torch.inference_mode():
                parts = [network(*feed(r)).cpu().numpy() for r in _runs(rows, batch)]
            p = probabilities(np.concatenate(parts), self.objective)
            out.append(p * self.scale + self.centre if self.objective == "value" else p)
        return np.stack(out)

    def rebuilt(self, makes: Sequence[Make]) -> Iterator[torch.nn.Module]:
        """The networks with their weights, on the CPU."""
        import torch

        for make, state in zip(makes, self.states, strict=True):
            with torch.device("meta"):  # no weights are drawn, to be thrown away
                network = make()
            weights = {k: torch.from_numpy(v) for k, v in state.items()}
            network.load_state_dict(weights, assign=True)
            yield network


def train_networks(
    makes: Sequence[Make], trainings: Sequence[Training], feed: Feed, y: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray] | None, device: torch.device,
) -> Networks:  # fmt: skip
    """Train a network with each of several settings, from the same first weights for a seed.

    ``feed(rows)`` gives the inputs of the network for an index array of rows, on ``device``; the
    network gives (B, C). ``y``: classes: cross-entropy; labels with NaN: the mean cross-entropy of
    the known ones; or values: squared error. ``parts``: masks of the rows to fit and of those held
    out to stop by; None fits all rows for all epochs.

    The generator of torch is left as it was.
    """
    import torch

    objective = objective_of(y)
    centre, scale = 0.0, 1.0
    if objective == "value":
        centre, scale = float(y.mean()), float(y.std()) or 1.0
    towards = y if objective == "softmax" else ((y - centre) / scale).astype(np.float32)
    target = torch.from_numpy(towards).to(device)
    states = []
    for make, training in zip(makes, trainings, strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            network = make().to(device)
        with one_torch_thread():
            states.append(_train(network, feed, target, training, objective, parts))
    return Networks(states, objective, centre, scale)


def _train(
    network: torch.nn.Module, feed: Feed, target: torch.Tensor, training: Training,
    objective: Objective, parts: tuple[np.ndarray, np.ndarray] | None,
) -> State:  # fmt: skip
    import torch

    optimizer = torch.optim.AdamW(
        network.parameters(), lr=training.lr, weight_decay=training.weight_decay
    )
    fit = np.arange(len(target)) if parts is None else np.flatnonzero(parts[0])
    epoch = steps_per_epoch(len(fit), training.batch)
    drawn = batches(len(fit), training.batch, training.epochs * epoch, training.seed)
    lowest, waited, best = math.inf, 0, _state(network)
    for step, rows in enumerate(fit[d] for d in drawn):
        value = loss(network(*feed(rows)), target[rows], objective)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if parts is None or (step + 1) % epoch:
            continue
        now = _held_out(network, feed, target, np.flatnonzero(parts[1]), training, objective)
        waited += 1
        if now < lowest:
            lowest, waited, best = now, 0, _state(network)
        elif training.patience is not None and waited >= training.patience:
            break
    # weights that never had a loss are those that diverged, not the first ones: that is to be seen
    return best if math.isfinite(lowest) else _state(network)


def _runs(rows: int, size: int) -> list[np.ndarray]:
    return np.array_split(np.arange(rows), -(-rows // size))


def _state(network: torch.nn.Module) -> State:
    return {k: v.detach().cpu().numpy().copy() for k, v in network.state_dict().items()}


def _held_out(
    network: torch.nn.Module, feed: Feed, target: torch.Tensor, held: np.ndarray,
    training: Training, objective: Objective,
) -> float:  # fmt: skip
    """Mean loss of the rows held out, in batches of the training's size."""
    import torch

    total = 0.0
    with torch.inference_mode():
        for rows in (held[r] for r in _runs(len(held), training.batch)):
            total += len(rows) * float(loss(network(*feed(rows)), target[rows], objective))
    return total / len(held)
