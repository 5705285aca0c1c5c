"""Losses of segmentations: cross-entropy, soft Dice, and their sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from featprobe.core.errors import InputError
from featprobe.core.options import Checked
from featprobe.segmentation.pixels import AnyOf, Costs, OneOf, Terms
from featprobe.segmentation.upsampling import Upsampling


@dataclass(frozen=True)
class Loss(Checked):
    """What decoders minimise, background included.

    ``kind``: ``ce`` (softmax cross-entropy; of multi-label masks sigmoid), ``dice`` (1 - 2 sum(p y)
    / (sum(p) + sum(y)) of Sudre et al. 2017, as MONAI's ``DiceLoss(batch=True)``: each class over
    all pixels of a batch together, so that slices without a class cost nothing of their own), or
    ``dice_ce``, their sum. ``weights``: one of each class, in both terms. ``smoothing`` of the
    labels in the cross-entropy.
    """

    kind: Literal["ce", "dice", "dice_ce"] = "ce"
    weights: tuple[float, ...] | None = None
    smoothing: float = 0.0

    def owner(self) -> str:
        return "a loss"

    def check(self) -> None:
        if self.weights is not None and not all(w >= 0 for w in self.weights):
            raise InputError(f"weights {list(self.weights)} of classes must not be negative")
        if not 0 <= self.smoothing < 1:
            raise InputError(f"smoothing {self.smoothing} must be at least 0 and below 1")

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """(G,) losses of logits (G, B, K, a, b) of G decoders for the same pixels.

        Logits on another grid than that of the labels are brought to it first: bilinear, cell
        centres aligned.

        ``target``: uint8 or int (B, H, W) class indices, or bool or uint8 (B, K, H, W) of
        multi-label masks; 255 takes no part. Where no pixel is known the loss is 0.

        Raises :class:`InputError` for weights of another number than there are classes.
        """
        weight = None if self.weights is None else logits.new_tensor(self.weights)
        if weight is not None and len(weight) != logits.shape[2]:
            raise InputError(f"{len(weight)} weights of a loss for {logits.shape[2]} classes")
        grid, size = logits.shape[-2:], target.shape[-2:]
        up = None if grid == size else Upsampling.between(grid, size, logits)
        terms = Terms(self.kind != "dice", self.kind != "ce", weight, self.smoothing, up)
        with torch.autocast(logits.device.type, enabled=False):  # sums over pixels are products
            labels = (AnyOf if target.ndim == 4 else OneOf)(target, logits, terms)
            out: Tensor = Costs.apply(logits.contiguous(), labels)
        return out


def balanced(counts: Sequence[float]) -> tuple[float, ...]:
    """A weight for each class by its pixels: n / (classes there * its pixels), 0 for none."""
    there = [c for c in counts if c > 0]
    total = sum(there)
    return tuple(total / (len(there) * c) if c > 0 else 0.0 for c in counts)
