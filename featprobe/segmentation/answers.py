"""Test items beside what a decoder says of them, as pictures want them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from featprobe.metrics.segmentation import FIELDS
from featprobe.segmentation.fitted import Fitted, decided, of_item
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.upsampling import upsampled


@dataclass(frozen=True)
class Answers:
    """The test ``rows`` of a fit, and the scores (n, C * 8) that they reached."""

    items: MaskedItems
    fitted: Fitted
    rows: np.ndarray
    scores: np.ndarray

    @property
    def ids(self) -> list[str]:
        return [str(n) for n in self.items.ids[self.rows]]

    @property
    def dice(self) -> np.ndarray:
        """(n,) mean over the classes that truth or answer have; NaN where there are none."""
        found = self.scores.reshape(len(self.rows), -1, len(FIELDS))[..., FIELDS.index("dice")]
        known = ~np.isnan(found)
        mean = np.where(known, found, 0).sum(1) / np.maximum(known.sum(1), 1)
        return np.where(known.any(1), mean, np.nan)

    def __call__(self, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image (F, H, W), truth and answer of a test item on the pixels that the network saw:
        labels (F, H, W), or of multi-label masks (K, F, H, W)."""
        i, items = int(self.rows[place]), self.items
        size = items.tokens.size
        image = items.tokens.images(i, size).mean(1)
        truth = items.tokens.grid_of(i).to_frames(items.tokens.mask(i).values, size)
        p = torch.from_numpy(of_item(self.fitted, items, i))
        answer = decided(upsampled(p[None], size)[0].numpy().swapaxes(0, 1), items.multilabel)
        return image, truth.swapaxes(0, 1) if items.multilabel else truth, answer
