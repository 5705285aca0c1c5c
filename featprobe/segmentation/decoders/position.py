"""Where classes usually are: the baseline that looks at nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from featprobe.core.errors import InputError
from featprobe.images.grids import VOID
from featprobe.segmentation.decoders.base import Decoder, Shape
from featprobe.segmentation.fitted import Fitted, Solved, depths, weighed
from featprobe.segmentation.items import MaskedItems


@dataclass(frozen=True)
class PositionDecoder(Solved):
    """The mean mask of the training frames at each place of the field of view, after crop; void
    counts nowhere.

    ``depths``: parts of a volume from its first frame to its last, each with a mean of its own.
    ``background``: what its mean is multiplied with, since a place where organs are in less than
    half of all items would else always be background; val chooses.
    """

    name: ClassVar[str] = "position"
    alone: ClassVar[bool] = True
    depths: int = 16
    background: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)

    @property
    def takes(self) -> int:
        return 0

    def check(self) -> None:
        if self.depths < 1 or not self.background or min(self.background) <= 0:
            raise InputError("depths and background of decoder position must be positive")

    def fit(self, items: MaskedItems, rows: np.ndarray, seed: int) -> Prior:
        k = len(items.classes)
        there, known = np.zeros((2, self.depths, k, *items.size))
        for piece in items.pieces(rows):
            y = items.target(*piece)
            y = y if items.multilabel else np.repeat(y[:, None], k, 1)
            which = 1 if items.multilabel else np.arange(k)[:, None, None]
            part = _parts(depths(piece.start, piece.stop, items.frames(piece.item)), self.depths)
            np.add.at(there, part, y == which)
            np.add.at(known, part, y != VOID)
        every = there.sum(0) / np.maximum(known.sum(0), 1)  # for depths that no item has
        prior = np.where(known > 0, there / np.maximum(known, 1), every).astype(np.float32)
        return Prior(self, prior, list(self.background), items.multilabel)

    def restored(
        self, shape: Shape, arrays: dict[str, np.ndarray], candidate: dict[str, Any],
        multilabel: bool,
    ) -> Prior:  # fmt: skip
        return Prior(self, arrays["prior"], [candidate["background"]], multilabel)


@dataclass
class Prior(Fitted):
    """``prior`` (depths, K, H, W) on the grid of the answer."""

    decoder: Decoder
    prior: np.ndarray
    background: list[float]
    multilabel: bool

    def __post_init__(self) -> None:
        self.candidates: list[dict[str, Any]] = [{"background": b} for b in self.background]
        self.notes: list[str] = []

    def probabilities(
        self, tokens: Tensor, image: Tensor | None, size: tuple[int, int], depth: np.ndarray
    ) -> Tensor:
        p = torch.from_numpy(self.prior[_parts(depth, len(self.prior))])
        return torch.stack([weighed(p, b, self.multilabel) for b in self.background])

    def arrays(self) -> dict[str, np.ndarray]:
        return {"prior": self.prior}

    def only(self, candidate: int) -> Prior:
        return Prior(self.decoder, self.prior, [self.background[candidate]], self.multilabel)


def _parts(depth: np.ndarray, parts: int) -> np.ndarray:
    return np.minimum((depth * parts).astype(int), parts - 1)


DECODER = PositionDecoder
