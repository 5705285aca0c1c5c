"""Where classes usually are: the baseline that looks at nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from featprobe.images.grids import VOID
from featprobe.segmentation.cases import Cases
from featprobe.segmentation.decoders.base import Decoder
from featprobe.segmentation.fitted import Fitted, Solved


@dataclass(frozen=True)
class PositionDecoder(Solved):
    """The mean mask of the training frames at each place of the field of view, after crop; void
    counts nowhere. In volumes frames of all depths are one mean."""

    name: ClassVar[str] = "position"
    alone: ClassVar[bool] = True

    @property
    def takes(self) -> int:
        return 0

    def fit(self, cases: Cases, rows: np.ndarray, seed: int) -> Prior:
        k = len(cases.classes)
        there, known = np.zeros((k, *cases.size)), np.zeros((k, *cases.size))
        for piece in cases.pieces(rows):
            y = cases.target(*piece)
            y = y.swapaxes(0, 1) if cases.multilabel else np.broadcast_to(y, (k, *y.shape))
            which = 1 if cases.multilabel else np.arange(k)[:, None, None, None]
            there += (y == which).sum(1)
            known += (y != VOID).sum(1)
        prior = there / np.maximum(known, 1)
        return Prior(self, torch.from_numpy(prior.astype(np.float32)))


@dataclass
class Prior(Fitted):
    """``prior`` (K, H, W) on the grid of the answer."""

    decoder: Decoder
    prior: Tensor

    def __post_init__(self) -> None:
        self.candidates: list[dict[str, Any]] = [{}]
        self.notes: list[str] = []

    def probabilities(self, tokens: Tensor, image: Tensor | None, size: tuple[int, int]) -> Tensor:
        return self.prior.expand(1, len(tokens), *self.prior.shape)

    def only(self, candidate: int) -> Prior:
        return self


DECODER = PositionDecoder
