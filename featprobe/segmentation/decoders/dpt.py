"""The dense prediction transformer's decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from featprobe.core.errors import InputError
from featprobe.segmentation.decoders.base import Network, Shape, Trained, maps

FACTORS = (4.0, 2.0, 1.0, 0.5)  # of the grid of tokens, first block to last


@dataclass(frozen=True)
class DPTDecoder(Trained):
    """Reassemble and fuse (Ranftl et al. 2021): the last four blocks as maps of 4, 2, 1 and 1/2
    times the grid, fused from the coarsest up by residual convolutions of ``width`` channels."""

    name: ClassVar[str] = "dpt"
    width: int = 32

    @property
    def takes(self) -> int:
        return len(FACTORS)

    def check(self) -> None:
        if self.width < 1:
            raise InputError(f"width {self.width} of decoder dpt must be at least 1")

    def network(self, shape: Shape) -> DPTNetwork:
        return DPTNetwork(shape, self.width)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [
            layer
            for _ in range(2)
            for layer in (
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
            )
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


class DPTNetwork(Network):
    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(shape.width, width, 1) for _ in FACTORS)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in FACTORS)
        self.beside = nn.ModuleList(_Residual(width) for _ in FACTORS)
        self.fuse = nn.ModuleList(_Residual(width) for _ in FACTORS)
        self.last = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, shape.classes, 1)
        )

    def forward(self, tokens: Tensor, image: Tensor | None = None) -> Tensor:
        h, w = tokens.shape[2:4]
        x: Tensor | None = None
        for k in reversed(range(len(FACTORS))):
            size = max(1, int(h * FACTORS[k])), max(1, int(w * FACTORS[k]))
            seen = self.project[k](maps(tokens, k))
            seen = F.interpolate(seen, size, mode="bilinear", align_corners=False)
            seen = self.beside[k](self.smooth[k](seen))
            if x is not None:
                seen = seen + F.interpolate(x, size, mode="bilinear", align_corners=False)
            x = self.fuse[k](seen)
        out: Tensor = self.last(x)
        return out


DECODER = DPTDecoder
