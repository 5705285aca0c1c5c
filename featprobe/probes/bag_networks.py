"""What probes share that train a network on bags of frames or tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from featprobe.core.devices import check_device, choose_device
from featprobe.features.bags import Bags
from featprobe.probes.base import Probe, choose_held_out
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.networks import Feed, Make, Training, train_networks
from featprobe.solvers.training import columns_of, float32_rows

if TYPE_CHECKING:
    import torch


class BagNetwork(Probe):
    """A network from a bag of vectors to classes, labels or values; each ``weight_decay`` is one.

    ``x`` is :class:`~featprobe.features.bags.Bags`; an (N, D) array is N bags of one vector.
    Vectors are standardised on all those of training. Training, ``patience`` and targets are those
    of :class:`~featprobe.probes.mlp.MLPProbe`; ``batch`` counts bags. The network takes vectors
    (f, D), the place (f,) of each in a (bags, longest) grid, and these two numbers.
    """

    tasks = ("multiclass", "ordinal", "multilabel", "regression")
    bags: ClassVar[bool] = True

    weight_decay: float | Sequence[float]
    lr: float
    batch: int
    epochs: int
    patience: int | None
    seed: int
    device: str

    def make(self, inputs: int, outputs: int) -> Make:
        """What makes a network for vectors of so many numbers and so many outputs."""
        raise NotImplementedError

    def check(self) -> None:
        check_device(self.device)
        self._trainings()

    def candidates(self) -> list[dict[str, Any]]:
        return [{"weight_decay": t.weight_decay} for t in self._trainings()]

    def simplicity(self) -> list[float]:
        return [c["weight_decay"] for c in self.candidates()]

    def choose(self, x: Any, y: np.ndarray) -> int:
        return choose_held_out(self, x, y)

    def fit_candidates(self, x: Any, y: np.ndarray) -> BagNetwork:
        trainings = self._trainings()
        bags = Bags.of(x)
        self._labels = y.ndim == 2
        self._standardize = Standardizer.of(bags.frames)
        self._sizes = [bags.frames.shape[1], columns_of(y)]
        self.look(bags)
        device = choose_device(self.device)
        parts = None if self.patience is None else self.held_out(y)
        feed = self._feed(bags, device)
        self._networks = train_networks(self._makes(), trainings, feed, y, parts, device)
        return self

    def look(self, bags: Bags) -> None:
        """Learn what else the network is made from, of the bags of training."""

    def score_candidates(self, x: Any) -> np.ndarray:
        import torch

        feed = self._feed(Bags.of(x), torch.device("cpu"))
        return self._networks.scores(self._makes(), feed, len(x), self.batch)

    def _feed(self, bags: Bags, device: torch.device) -> Feed:
        import torch

        frames = float32_rows(bags.frames, self._standardize)
        standard = Bags(frames, bags.offsets)

        def feed(rows: np.ndarray) -> tuple[Any, ...]:
            drawn = standard[rows]
            counts, longest = drawn.counts, int(drawn.counts.max())
            first = np.arange(len(drawn)) * longest - drawn.offsets[:-1]
            slot = np.repeat(first, counts) + np.arange(len(drawn.frames))
            tensors = (torch.from_numpy(a).to(device) for a in (drawn.frames, slot))
            return (*tensors, len(drawn), longest)

        return feed

    def _trainings(self) -> list[Training]:
        return [
            Training(self.lr, float(d), self.batch, self.epochs, self.patience, self.seed)
            for d in np.atleast_1d(self.weight_decay)
        ]

    def _makes(self) -> list[Make]:
        inputs, outputs = self._sizes
        return [self.make(inputs, outputs)] * len(self.candidates())
