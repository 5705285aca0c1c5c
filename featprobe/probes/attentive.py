"""Attention over the frames of an item: which slices of a volume count is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from featprobe.core.devices import check_device, choose_device
from featprobe.core.errors import InputError
from featprobe.features.bags import Bags
from featprobe.probes.base import (
    Probe,
    check_x,
    choose_held_out,
)
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.networks import Feed, Make, Training, train_networks
from featprobe.solvers.training import columns_of, float32_rows

if TYPE_CHECKING:
    import torch


class AttentiveProbe(Probe):
    """Gated attention over the frames of a bag, ending in one linear layer.

    The pooling of Ilse, Tomczak and Welling (2018), equation 9: frame h_k of a bag has the weight
    a_k = softmax over k of w' (tanh(V h_k) * sigmoid(U h_k)), the bag is the sum of a_k h_k, and a
    linear layer makes logits of it. As in their code V and U have intercepts. ``x`` is
    :class:`~featprobe.features.bags.Bags`; an (N, D) array is N bags of one frame, for which the
    probe is linear. Frames are standardised on all training frames. The order of frames in a bag
    does not matter.

    ``width``: rows of V and U. ``weight_decay``: candidates. Training, ``patience`` and targets are
    those of :class:`~featprobe.probes.mlp.MLPProbe`; ``batch`` counts bags.
    """

    name = "attentive"
    tasks = ("multiclass", "ordinal", "multilabel", "regression")
    bags: ClassVar[bool] = True

    def __init__(
        self,
        width: int = 64,
        weight_decay: float | Sequence[float] = (0.01, 0.1, 1.0),
        lr: float = 3e-3,
        batch: int = 16,
        epochs: int = 100,
        patience: int | None = 20,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.width, self.weight_decay, self.lr, self.batch = width, weight_decay, lr, batch
        self.epochs, self.patience, self.seed, self.device = epochs, patience, seed, device

    def check(self) -> None:
        if self.width < 1:
            raise InputError("width of the attention must be at least 1")
        check_device(self.device)
        self._trainings()

    def candidates(self) -> list[dict[str, Any]]:
        return [{"weight_decay": t.weight_decay} for t in self._trainings()]

    def simplicity(self) -> list[float]:
        return [c["weight_decay"] for c in self.candidates()]

    def choose(self, x: Any, y: np.ndarray) -> int:
        return choose_held_out(self, x, y)

    def fit_candidates(self, x: Any, y: np.ndarray) -> AttentiveProbe:
        trainings = self._trainings()
        bags = Bags.of(x)
        self._labels = y.ndim == 2
        self._standardize = Standardizer.of(bags.frames)
        self._sizes = [bags.frames.shape[1], columns_of(y)]
        device = choose_device(self.device)
        parts = None if self.patience is None else self.held_out(y)
        feed = self._feed(bags, device)
        self._networks = train_networks(self._makes(), trainings, feed, y, parts, device)
        return self

    def score_candidates(self, x: Any) -> np.ndarray:
        import torch

        feed = self._feed(Bags.of(x), torch.device("cpu"))
        return self._networks.scores(self._makes(), feed, len(x), self.batch)

    def attention(self, x: Bags) -> np.ndarray:
        """(F,) weight of each frame in its bag under the kept candidate; a bag's sum to one."""
        import torch

        self._scored(x[:1])
        bags = Bags.of(check_x(x, bags=True))
        feed = self._feed(bags, torch.device("cpu"))
        network: Any = list(self._networks.rebuilt(self._makes()))[self._keep]
        out = []
        for bag in range(len(bags)):
            with torch.inference_mode():
                out.append(network.attention(*feed(np.array([bag])))[0].numpy())
        return np.concatenate(out)

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
        return [partial(_network, inputs, self.width, outputs)] * len(self.candidates())


def _network(inputs: int, hidden: int, outputs: int) -> torch.nn.Module:
    from featprobe.solvers.gated import GatedAttention

    return GatedAttention(inputs, hidden, outputs)


PROBE = AttentiveProbe
