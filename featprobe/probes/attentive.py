"""Attention over the frames of an item: which slices of a volume count is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.features.bags import Bags
from featprobe.probes.bag_networks import BagNetwork
from featprobe.probes.base import check_x
from featprobe.solvers.networks import Make

if TYPE_CHECKING:
    import torch


class AttentiveProbe(BagNetwork):
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
        super().check()

    def make(self, inputs: int, outputs: int) -> Make:
        return partial(_network, inputs, self.width, outputs)

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


def _network(inputs: int, hidden: int, outputs: int) -> torch.nn.Module:
    from featprobe.solvers.gated import GatedAttention

    return GatedAttention(inputs, hidden, outputs)


PROBE = AttentiveProbe
