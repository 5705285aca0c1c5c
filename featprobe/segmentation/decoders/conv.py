"""A small convolutional decoder, with the image beside the tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featprobe.core.errors import InputError
from featprobe.segmentation.decoders.base import Network, Shape, Trained, joined
from featprobe.segmentation.decoders.unet import convolved


@dataclass(frozen=True)
class ConvDecoder(Trained):
    """Tokens to ``width`` channels, upsampled to the grid of the answer, joined with the image as
    the network was shown it, and two 3 x 3 convolutions (after eva's ``ConvDecoderWithImage``).

    ``blocks``: of the last ones; without ``image`` of tokens alone.
    """

    name: ClassVar[str] = "conv"
    sees: ClassVar[bool] = True
    blocks: int = 1
    width: int = 32
    image: bool = True

    def check(self) -> None:
        if self.blocks < 1 or self.width < 1:
            raise InputError("blocks and width of decoder conv must be at least 1")

    def network(self, shape: Shape) -> ConvNetwork:
        return ConvNetwork(shape, self.width, self.image)


class ConvNetwork(Network):
    def __init__(self, shape: Shape, width: int, image: bool) -> None:
        super().__init__()
        self.size = shape.size
        self.start = nn.Sequential(
            nn.Conv2d(shape.blocks * shape.width, width, 1), nn.BatchNorm2d(width), nn.ReLU(True)
        )
        channels = shape.channels if image else 0
        self.image = image
        self.convolve = nn.Sequential(convolved(width + channels, width), convolved(width, width))
        self.last = nn.Conv2d(width, shape.classes, 1)

    def forward(self, tokens: Tensor, image: Tensor | None = None) -> Tensor:
        x = self.start(joined(tokens).permute(0, 3, 1, 2))
        x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        if self.image:
            assert image is not None
            x = torch.cat([x, image], 1)
        out: Tensor = self.last(self.convolve(x))
        return out


DECODER = ConvDecoder
