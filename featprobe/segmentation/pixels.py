"""What labels of pixels cost, with the derivatives by the logits, for many decoders at once.

Every term is a function of a few sums over pixels, each of a cheap function of one softmax, so that
derivatives are written down instead of recorded. What depends on the labels alone is made once for
all heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from featprobe.images.grids import VOID
from featprobe.segmentation.upsampling import Upsampling

_SMOOTH = 1e-5  # of the ratio of a Dice, so that a class that is nowhere costs nothing
_TOGETHER = 2**20  # numbers of some heads at a time on a CPU: more would leave its cache
_LOWEST = -60.0  # a sum of exponentials is a normal number, in single precision, from -87 on


@dataclass(frozen=True)
class Terms:
    """Which are summed: ``ce``, ``dice``; ``weight`` (K,) of classes in both, None for ones;
    ``smoothing`` of labels in ``ce``. ``grid``: from the logits to the labels, None for the same.
    """

    ce: bool
    dice: bool
    weight: Tensor | None
    smoothing: float
    grid: Upsampling | None

    def of_dice(self, hit: Tensor, mass: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss (G,) of hit (G, K) = sum(p y) and mass = sum(p) + sum(y), and its derivatives by
        both, (G, 1, K, 1, 1) as they stand beside pixels."""
        share = mass.new_full(mass.shape[1:], 1 / mass.shape[1])
        share = share if self.weight is None else self.weight / self.weight.sum()
        low = mass + _SMOOTH
        ratio = (2 * hit + _SMOOTH) / low
        by_hit, by_mass = -2 * share / low, share * ratio / low
        beside = (slice(None), None, slice(None), None, None)
        return (share * (1 - ratio)).sum(1), by_hit[beside], by_mass[beside]

    def up(self, z: Tensor) -> Tensor:
        """Logits on the grid of the labels."""
        return z if self.grid is None else self.grid(z)

    def down(self, x: Tensor) -> Tensor:
        """The derivative by what ``up`` was given."""
        return x if self.grid is None else self.grid.transposed(x)


class Labels:
    """What is known of the pixels of B frames; a subclass says how logits become probabilities.

    ``y`` (B, K, H, W), ``known`` (B, 1 or K, H, W): 1 where a pixel is of a class, and where that
    is known.
    """

    def __init__(self, terms: Terms, y: Tensor, known: Tensor) -> None:
        self.terms, self.y, self.known = terms, y, known
        self.pixels = y.sum((0, 2, 3))

    def softened(self, z: Tensor) -> tuple[Tensor, Tensor | float]:
        """Probabilities (G, B, K, H, W) of logits (G, B, K, a, b), 0 where nothing is known, and
        the cross-entropy (G,) where it is asked for."""
        raise NotImplementedError

    def derivative(self, p: Tensor, pull: Tensor | None) -> Tensor:
        """Of the loss by the logits; ``pull``: of Dice by p, times p. Both may be written over."""
        raise NotImplementedError

    def __call__(self, z: Tensor, derived: bool) -> tuple[Tensor, Tensor | None]:
        """Losses (G,) of logits (G, B, K, a, b) and, where wanted, their derivatives."""
        p, loss = self.softened(z)
        pull = None
        if self.terms.dice:
            hits = p * self.y
            hit, mass = hits.sum((1, 3, 4)), p.sum((1, 3, 4)) + self.pixels
            dice, by_hit, by_mass = self.terms.of_dice(hit, mass)
            loss = dice + loss
            pull = hits.mul_(by_hit).addcmul_(p, by_mass) if derived else None
        assert isinstance(loss, Tensor)
        return loss, self.derivative(p, pull) if derived else None


class OneOf(Labels):
    """Labels uint8 or int (B, H, W) of one class a pixel; 255 takes no part.

    The cross-entropy is the sum over pixels of T log(sum exp z) - sum over classes of t z, where t
    are labels, weighted, smoothed and divided by what the sum is divided by, and T is their sum
    over classes. Its second part is linear in logits that are linearly upsampled, so that t is
    needed on their own grid only.
    """

    def __init__(self, target: Tensor, like: Tensor, terms: Terms) -> None:
        classes = like.shape[2]
        names = torch.arange(classes, device=target.device).to(target.dtype)
        y = (target[:, None] == names[:, None, None]).to(like)
        super().__init__(terms, y, (target != VOID)[:, None].to(like))
        if terms.ce:
            weight = like.new_ones(classes) if terms.weight is None else terms.weight
            weight = weight / (self.pixels * weight).sum().clamp_min(1e-12)
            t = y * (weight * (1 - terms.smoothing))[:, None, None]
            if terms.smoothing:
                t += self.known * (weight * (terms.smoothing / classes))[:, None, None]
            self.total, self.t = t.sum(1, keepdim=True), terms.down(t)

    def softened(self, z: Tensor) -> tuple[Tensor, Tensor | float]:
        z = z - z.amax(2, keepdim=True)  # what all classes of a cell lose, they lose upsampled
        p, top = self.terms.up(z), None
        if p is not z and (z.device.type != "cpu" or z.amin() < _LOWEST):
            top = p.amax(2, keepdim=True)
            p.sub_(top)
        ce: Tensor | float = 0.0
        if self.terms.ce:
            ce = z.flatten(1) @ self.t.flatten()
        norm = p.exp_().sum(2, keepdim=True)
        if self.terms.ce:
            lse = norm.log() if top is None else norm.log().add_(top)
            ce = lse.flatten(1) @ self.total.flatten() - ce
        return p.mul_(self.known / norm), ce

    def derivative(self, p: Tensor, pull: Tensor | None) -> Tensor:
        if pull is None:
            out = p.mul_(self.total)
        else:
            inner = pull.sum(2, keepdim=True)
            inner = inner.sub_(self.total) if self.terms.ce else inner
            out = pull.addcmul_(p, inner, value=-1)
        out = self.terms.down(out)
        return out.sub_(self.t) if self.terms.ce else out


class AnyOf(Labels):
    """Labels bool or uint8 (B, K, H, W) of 0 and 1, each class by itself; 255 takes no part."""

    def __init__(self, target: Tensor, like: Tensor, terms: Terms) -> None:
        super().__init__(terms, (target == 1).to(like), (target != VOID).to(like))
        if terms.ce:
            w = terms.weight
            scale = self.known if w is None else self.known * w[:, None, None]
            self.scale = scale / scale.sum().clamp_min(1e-12)
            self.t = self.y * (1 - terms.smoothing) + terms.smoothing / 2

    def softened(self, z: Tensor) -> tuple[Tensor, Tensor | float]:
        z = self.terms.up(z)
        p = z.sigmoid().mul_(self.known)
        if not self.terms.ce:
            return p, 0.0
        t = self.t.expand_as(z)
        each = F.binary_cross_entropy_with_logits(z, t, self.scale, reduction="none")
        return p, each.flatten(1).sum(1)

    def derivative(self, p: Tensor, pull: Tensor | None) -> Tensor:
        out = torch.zeros_like(p) if pull is None else pull.mul_(self.known - p)
        if self.terms.ce:
            out.addcmul_(p - self.t, self.scale)
        return self.terms.down(out)


class Costs(torch.autograd.Function):
    """(G,) losses of logits (G, B, K, a, b), some heads at a time."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Labels) -> Tensor:
        derived = ctx.needs_input_grad[0]
        heads = len(logits)
        if logits.device.type == "cpu":
            heads = max(1, _TOGETHER // max(1, labels.y.numel()))
        losses, derivatives = zip(*[labels(z, derived) for z in logits.split(heads)])
        if derived:
            ctx.save_for_backward(torch.cat(derivatives))
        return torch.cat(losses)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by: Tensor) -> tuple[Tensor, None]:
        (derivatives,) = ctx.saved_tensors
        return derivatives * by[:, None, None, None, None], None
