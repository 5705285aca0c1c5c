"""BatchNorm and a 1 x 1 convolution on patch tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featprobe.core.errors import InputError
from featprobe.segmentation.decoders.base import Network, Shape, Trained, joined


@dataclass(frozen=True)
class LinearDecoder(Trained):
    """One linear layer a patch, upsampled bilinearly (DINOv2's ``linear`` head, Oquab et al. 2023).

    ``norm``: a BatchNorm before it, as in DINOv2; RAD has none.
    """

    name: ClassVar[str] = "linear"
    rates: ClassVar[tuple[float, ...]] = (3e-3, 1e-2, 3e-2, 1e-1)
    norm: bool = True

    def network(self, shape: Shape) -> LinearNetwork:
        return LinearNetwork(shape, self.norm)


@dataclass(frozen=True)
class MultiDecoder(LinearDecoder):
    """The same on the last ``blocks`` joined (DINOv2's ``ms`` head without its several scales)."""

    name: ClassVar[str] = "multi"
    blocks: int = 4

    def check(self) -> None:
        if self.blocks < 1:
            raise InputError(f"blocks {self.blocks} must be at least 1")


class LinearNetwork(Network):
    """Several of one kind cost little more than one: they share the normalised tokens."""

    small = True

    def __init__(self, shape: Shape, norm: bool = True) -> None:
        super().__init__()
        width = shape.blocks * shape.width
        self.norm = nn.BatchNorm1d(width) if norm else None
        self.linear = nn.Linear(width, shape.classes)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    def forward(self, tokens: Tensor, image: Tensor | None = None) -> Tensor:
        x = joined(tokens)
        if self.norm is not None:
            x = self.norm(x.reshape(-1, x.shape[-1])).view(x.shape)
        out: Tensor = self.linear(x).permute(0, 3, 1, 2)
        return out

    @classmethod
    def together(cls, networks: Sequence[Network], tokens: Tensor, image: Tensor | None) -> Tensor:
        """As one by one, where no gradient goes to the tokens.

        Statistics of a batch are the same for all, and scaling by them is part of the weights.
        """
        several = [n for n in networks if isinstance(n, LinearNetwork)]
        first = several[0]
        if tokens.requires_grad or (first.norm is not None and not first.norm.training):
            return super().together(networks, tokens, image)
        x = joined(tokens)
        b, h, w, width = x.shape
        x = x.reshape(-1, width)
        weight = torch.stack([n.linear.weight for n in several])
        bias = torch.stack([n.linear.bias for n in several])
        norms = [n.norm for n in several if n.norm is not None]
        if norms:
            x, scale = _standardised(x, norms)
            bias = bias + torch.einsum("gkd,gd->gk", weight, torch.stack([m.bias for m in norms]))
            weight = weight * (torch.stack([m.weight for m in norms]) * scale)[:, None]
        z = F.linear(x, weight.flatten(0, 1), bias.flatten())
        return z.view(b, h, w, len(several), -1).permute(3, 0, 4, 1, 2)


@torch.no_grad()
def _standardised(x: Tensor, norms: Sequence[nn.BatchNorm1d]) -> tuple[Tensor, Tensor]:
    """Rows without their mean, and one over their deviation; running statistics move as torch's
    do."""
    mean = x.mean(0)
    x = x - mean
    var = x.square().mean(0)  # var_mean takes several times as long
    unbiased = var * (len(x) / max(1, len(x) - 1))
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.running_mean.lerp_(mean, norm.momentum or 0.0)
        norm.running_var.lerp_(unbiased, norm.momentum or 0.0)
        norm.num_batches_tracked += 1
    return x, (var + norms[0].eps).rsqrt()


DECODER = {LinearDecoder.name: LinearDecoder, MultiDecoder.name: MultiDecoder}
