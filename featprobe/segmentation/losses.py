"""Losses of segmentations: cross-entropy, soft Dice, and their sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from featprobe.core.errors import InputError
from featprobe.core.options import Checked
from featprobe.images.grids import VOID

_SMOOTH = 1e-5  # of the ratio of a Dice, so that a class that is nowhere costs nothing


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
        """(G,) losses of logits (G, B, K, H, W) of G decoders for the same pixels.

        ``target``: uint8 or int (B, H, W) class indices, or bool or uint8 (B, K, H, W) of
        multi-label masks; 255 takes no part. Where no pixel is known the loss is 0.

        Raises :class:`InputError` for weights of another number than there are classes.
        """
        multilabel = target.ndim == 4
        weight = None if self.weights is None else logits.new_tensor(self.weights)
        if weight is not None and len(weight) != logits.shape[2]:
            raise InputError(f"{len(weight)} weights of a loss for {logits.shape[2]} classes")
        total = logits.new_zeros(len(logits))
        if self.kind != "dice":
            term = _sigmoid_ce if multilabel else _softmax_ce
            total = total + term(logits, target, weight, self.smoothing)
        if self.kind != "ce":
            total = total + _dice(logits, target, weight)
        return total


def _softmax_ce(logits: Tensor, target: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    heads = len(logits)
    flat = target.long()
    each = F.cross_entropy(
        logits.flatten(0, 1), flat.repeat(heads, 1, 1), weight, ignore_index=VOID,
        reduction="none", label_smoothing=smoothing,
    )  # fmt: skip
    known = flat != VOID
    mass = known.sum() if weight is None else weight[flat[known]].sum()
    return each.view(heads, -1).sum(1) / mass.clamp_min(1e-12)


def _sigmoid_ce(logits: Tensor, target: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    known = (target != VOID).to(logits)
    y = (target == 1).to(logits) * (1 - smoothing) + smoothing / 2
    each = F.binary_cross_entropy_with_logits(logits, y.expand(logits.shape), reduction="none")
    scale = known if weight is None else known * weight[:, None, None]
    return (each * scale).flatten(1).sum(1) / scale.sum().clamp_min(1e-12)


def _dice(logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    classes = logits.shape[2]
    if target.ndim == 4:
        p, known, y = logits.sigmoid(), target != VOID, target == 1
    else:
        p, known = logits.softmax(2), (target != VOID)[:, None]
        y = target[:, None] == torch.arange(classes, device=target.device)[:, None, None]
    p = (p * known).transpose(1, 2).flatten(2)  # (G, K, pixels): a batch is one picture
    y = (y & known).to(p).transpose(0, 1).flatten(1).expand_as(p)
    each = 1 - (2 * (p * y).sum(2) + _SMOOTH) / (p.sum(2) + y.sum(2) + _SMOOTH)
    if weight is None:
        return each.mean(1)
    return (each * weight).sum(1) / weight.sum()


def balanced(counts: Sequence[float]) -> tuple[float, ...]:
    """A weight for each class by its pixels: n / (classes there * its pixels), 0 for none."""
    there = [c for c in counts if c > 0]
    total = sum(there)
    return tuple(total / (len(there) * c) if c > 0 else 0.0 for c in counts)
