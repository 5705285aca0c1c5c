"""A U-Net's upward half on the tokens of the last blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featprobe.core.errors import InputError
from featprobe.segmentation.decoders.base import Network, Shape, Trained, maps


@dataclass(frozen=True)
class UNetDecoder(Trained):
    """Transposed convolutions, each twice the resolution, beside tokens of earlier blocks.

    After Baharoon et al. 2023 (RAD): the last of ``blocks`` begins, and each of the stages, one for
    every other block, doubles the grid, joins the tokens of the block before (upsampled) and
    convolves. ``widths``: channels of the stages.
    """

    name: ClassVar[str] = "unet"
    blocks: int = 5
    widths: tuple[int, ...] = (64, 32, 16, 16)

    def check(self) -> None:
        if self.blocks < 2 or len(self.widths) != self.blocks - 1 or min(self.widths) < 1:
            raise InputError(
                f"decoder unet has one stage less than blocks: {self.blocks} blocks and "
                f"{len(self.widths)} widths"
            )

    def network(self, shape: Shape) -> UNetNetwork:
        return UNetNetwork(shape, self.widths)


def convolved(channels: int, out: int) -> nn.Sequential:
    """3 x 3 convolution, BatchNorm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(True)
    )


class UNetNetwork(Network):
    def __init__(self, shape: Shape, widths: tuple[int, ...]) -> None:
        super().__init__()
        first = widths[0]
        self.start = nn.Sequential(
            nn.Conv2d(shape.width, first, 1), nn.BatchNorm2d(first), nn.ReLU(True)
        )
        self.beside = nn.ModuleList(nn.Conv2d(shape.width, w, 1) for w in widths)
        before = (first, *widths[:-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in zip(before, widths))
        self.convolve = nn.ModuleList(convolved(2 * w, w) for w in widths)
        self.last = nn.Conv2d(widths[-1], shape.classes, 1)

    def forward(self, tokens: Tensor, image: Tensor | None = None) -> Tensor:
        x = self.start(maps(tokens, -1))
        for k, (beside, up, convolve) in enumerate(zip(self.beside, self.up, self.convolve)):
            x = up(x)
            seen = F.interpolate(
                beside(maps(tokens, -2 - k)), x.shape[-2:], mode="bilinear", align_corners=False
            )
            x = convolve(torch.cat([x, seen], 1))
        out: Tensor = self.last(x)
        return out


DECODER = UNetDecoder
