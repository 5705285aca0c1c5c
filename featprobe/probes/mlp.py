"""A multilayer perceptron with one hidden layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.core.devices import check_device, choose_device
from featprobe.core.errors import InputError
from featprobe.probes.base import Probe, choose_held_out
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.networks import Feed, Make, Training, train_networks
from featprobe.solvers.training import columns_of, float32_rows

if TYPE_CHECKING:
    import torch


class MLPProbe(Probe):
    """One hidden layer of ReLUs, trained with AdamW on standardised features.

    ``width`` of the hidden layer and ``weight_decay``: every pair is a candidate. With ``patience``
    a stratified tenth of the rows is held out of the fit, no patient on both sides, and the weights
    of the epoch with the lowest loss there are kept. Too few rows to hold any out, or
    ``patience=None``: ``epochs`` on all rows. ``lr``, ``batch``, ``seed``: see
    :class:`featprobe.solvers.networks.Training`. ``device``: ``auto`` is a GPU where there is one.

    Classes are a softmax, labels a sigmoid each with unknown ones masked, values are standardised
    and fitted by squared error.
    """

    name = "mlp"
    tasks = ("multiclass", "ordinal", "multilabel", "regression")

    def __init__(
        self,
        width: int | Sequence[int] = 256,
        weight_decay: float | Sequence[float] = (0.01, 0.1, 1.0),
        lr: float = 1e-3,
        batch: int = 64,
        epochs: int = 200,
        patience: int | None = 20,
        standardize: bool = True,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.width, self.weight_decay, self.lr = width, weight_decay, lr
        self.batch, self.epochs, self.patience = batch, epochs, patience
        self.standardize, self.seed, self.device = standardize, seed, device

    def check(self) -> None:
        if np.min(self.width) < 1:
            raise InputError("width of the hidden layer must be at least 1")
        check_device(self.device)
        for decay in np.atleast_1d(self.weight_decay):
            self._training(float(decay))

    def candidates(self) -> list[dict[str, Any]]:
        pairs = product(np.atleast_1d(self.width), np.atleast_1d(self.weight_decay))
        return [{"width": int(w), "weight_decay": float(d)} for w, d in pairs]

    def simplicity(self) -> list[float]:
        return [c["weight_decay"] for c in self.candidates()]

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        return choose_held_out(self, x, y)

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> MLPProbe:
        trainings = [self._training(c["weight_decay"]) for c in self.candidates()]
        self._labels = y.ndim == 2
        self._standardize = Standardizer.of(x) if self.standardize else None
        self._sizes = [x.shape[1], columns_of(y)]
        device = choose_device(self.device)
        parts = None if self.patience is None else self.held_out(y)
        feed = self._feed(x, device)
        self._networks = train_networks(self._makes(), trainings, feed, y, parts, device)
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        import torch

        feed = self._feed(x, torch.device("cpu"))
        return self._networks.scores(self._makes(), feed, len(x), 4096)

    def _feed(self, x: np.ndarray, device: torch.device) -> Feed:
        import torch

        rows = torch.from_numpy(float32_rows(x, self._standardize)).to(device)
        return lambda index: (rows[torch.from_numpy(index).to(device)],)

    def _training(self, decay: float) -> Training:
        return Training(self.lr, decay, self.batch, self.epochs, self.patience, self.seed)

    def _makes(self) -> list[Make]:
        inputs, outputs = self._sizes
        return [partial(_network, inputs, c["width"], outputs) for c in self.candidates()]


def _network(inputs: int, hidden: int, outputs: int) -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


PROBE = MLPProbe
