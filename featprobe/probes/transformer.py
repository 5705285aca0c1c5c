"""A transformer trained on frozen tokens: the head of a DeiT on the body of another backbone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from featprobe.core.errors import InputError
from featprobe.features.bags import Bags
from featprobe.probes.bag_networks import BagNetwork
from featprobe.solvers.networks import Make

if TYPE_CHECKING:
    import torch

HEAD_WIDTH = 64  # numbers of an attention head, as of ViT and DeiT


class TransformerProbe(BagNetwork):
    """Blocks of a ViT on the stored patch tokens of an item, read at a class token.

    What Huix et al. (WACV 2024) put on frozen features, where the head is a whole DeiT-B:
    ``depth=12, width=768, heads=12``. The patch embedding is replaced by the tokens of the frozen
    backbone, through a linear layer where they have another width. What differs: blocks begin with
    random weights, not those of ImageNet, and train by AdamW at a constant rate, not augmented.
    The network is :class:`~featprobe.solvers.blocks.Blocks`.

    ``x`` is :class:`~featprobe.features.bags.Bags`, of the view ``tokens`` (every token of every
    frame of an item) or of another (one vector a frame: attention over slices). ``depth``: blocks.
    ``width``: None is that of the tokens. ``heads``: of attention in a given width, None is about
    one for 64 numbers.
    ``positions``: places in a bag have learnt vectors; without, order does not matter.
    ``weight_decay``: candidates. ``lr``, ``batch`` (items), ``epochs``, ``patience``, ``seed``,
    ``device``: as of :class:`~featprobe.probes.mlp.MLPProbe`.
    """

    name = "transformer"
    tokens: ClassVar[bool] = True

    def __init__(
        self,
        depth: int = 2,
        width: int | None = None,
        heads: int | None = None,
        positions: bool = True,
        weight_decay: float | Sequence[float] = 0.05,
        lr: float = 3e-4,
        batch: int = 32,
        epochs: int = 50,
        patience: int | None = 10,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.depth, self.width, self.heads, self.positions = depth, width, heads, positions
        self.weight_decay, self.lr, self.batch = weight_decay, lr, batch
        self.epochs, self.patience, self.seed, self.device = epochs, patience, seed, device

    def check(self) -> None:
        if self.depth < 1 or any(v is not None and v < 1 for v in (self.width, self.heads)):
            raise InputError("depth, width and heads of the transformer must be at least 1")
        if self.width is not None:
            self._heads(self.width)
        elif self.heads is not None:
            raise InputError("heads divide a width that is given: set width, too")
        super().check()

    def look(self, bags: Bags) -> None:
        self._heads(self.width or bags.frames.shape[1])
        self._longest = int(bags.counts.max()) if self.positions else 0

    def score_candidates(self, x: Any) -> np.ndarray:
        longest = int(Bags.of(x).counts.max())
        if self._longest and longest > self._longest:
            raise InputError(
                f"an item has {longest} vectors and training had at most {self._longest}, so there "
                "are no positions for the others: set positions=false"
            )
        return super().score_candidates(x)

    def make(self, inputs: int, outputs: int) -> Make:
        width = self.width or inputs
        sizes = (inputs, width, self.depth, self._heads(width), self._longest, outputs)
        return partial(_network, *sizes)

    def _heads(self, width: int) -> int:
        """How many heads so wide a transformer has."""
        if self.heads is None:
            fitting = [n for n in range(1, width + 1) if width % n == 0]
            return min(fitting, key=lambda n: abs(n - width / HEAD_WIDTH))
        if width % self.heads:
            raise InputError(f"{self.heads} heads do not divide a width of {width}")
        return self.heads


def _network(*sizes: int) -> torch.nn.Module:
    from featprobe.solvers.blocks import Blocks

    return Blocks(*sizes)


PROBE = TransformerProbe
