"""Views of pool images: geometry, resolution, tone, noise and colour, on whole batches.

All random numbers come from a CPU generator, so that views are the same on every device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from train_tiny.images import ANATOMY, FAMILIES, FINDINGS, MARK, START

# Per family: smallest and largest window (1: the whole image), rotation in radians either way,
# and the chances of a mirror image and of an upside-down one. A mirrored glyph is another glyph.
GEOMETRY = {
    "noise": (0.6, 1.0, math.pi, 0.5, 0.5),
    "grating": (0.6, 1.0, math.pi, 0.5, 0.5),
    "voronoi": (0.6, 1.0, math.pi, 0.5, 0.5),
    "turing": (0.6, 1.0, math.pi, 0.5, 0.5),
    "shapes": (0.6, 1.1, math.pi, 0.5, 0.5),
    "glyph": (0.6, 1.1, 0.25, 0.0, 0.0),
    "fractal": (0.6, 1.1, math.pi, 0.5, 0.5),
    "anatomy": (0.55, 1.05, 0.25, 0.5, 0.2),
}
LOW = {"glyph": (8, 40), "shapes": (14, 48), "anatomy": (22, 64)}  # pixels of a coarse original
COARSE = 0.3  # share of such images
SEEN = 0.4  # of a finding, for the view to count as having it


@dataclass
class Views:
    """``x`` (B, 3, S, S) in [0, 1]; ``label`` (B,) with findings that were cropped away removed;
    ``marks`` (B, 2, 32, 32) in [0, 1] as the view shows them; ``family``, ``count`` (B,).
    """

    x: Tensor
    label: Tensor
    marks: Tensor
    family: Tensor
    count: Tensor


class Draws:
    """Random tensors on a device, drawn on the CPU."""

    def __init__(self, seed: int, step: int, device: torch.device) -> None:
        state = int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)
        self.generator = torch.Generator().manual_seed(state)
        self.device = device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform values of a shape."""
        x = torch.rand(shape, generator=self.generator) * (high - low) + low
        return x.to(self.device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal values of a shape."""
        return torch.randn(shape, generator=self.generator).to(self.device)


def views(
    images: Tensor, marks: Tensor, label: Tensor, family: Tensor, count: Tensor, size: int,
    draws: Draws,
) -> Views:  # fmt: skip
    """One view of each image: uint8 images (B, n, n) and marks (B, 2, 32, 32)."""
    theta, area = _geometry(family, draws)
    x = images[:, None].float() / 255
    cells = marks.float() / 255
    grid = F.affine_grid(theta, [len(x), 1, size, size], align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    grid = F.affine_grid(theta, [len(x), 2, MARK, MARK], align_corners=False)
    seen = F.grid_sample(cells, grid, padding_mode="zeros", align_corners=False)
    share = seen[:, 1].sum((1, 2)) * area / cells[:, 1].sum((1, 2)).clamp_min(1e-3)
    finding = (label - int(START[ANATOMY])) % len(FINDINGS)
    lost = (family == ANATOMY) & (finding > 0) & (share < SEEN)
    x = _coarse(x, family, draws)
    return Views(_tone(x, draws), torch.where(lost, label - finding, label), seen, family, count)


def _geometry(family: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Affine maps (B, 2, 3) from view to image, and the share of the image's area (B,)."""
    table = torch.tensor([GEOMETRY[f.name] for f in FAMILIES], device=family.device)
    low, high, turn, mirror, upside = table[family].T
    b = len(family)
    scale = low + (high - low) * draws.uniform(0, 1, b)
    aspect = torch.exp(draws.uniform(-0.15, 0.15, b))
    angle = turn * draws.uniform(-1, 1, b)
    fx = torch.where(draws.uniform(0, 1, b) < mirror, -1.0, 1.0)
    fy = torch.where(draws.uniform(0, 1, b) < upside, -1.0, 1.0)
    room = (1 - scale).abs().clamp_min(0.05)
    # a glyph stays in view; other windows go anywhere
    room = torch.where(upside + mirror > 0, room, room * 0.35)
    c, s = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [
        torch.stack([c * fx * aspect, -s * fy / aspect, room * draws.uniform(-1, 1, b)], 1),
        torch.stack([s * fx * aspect, c * fy / aspect, room * draws.uniform(-1, 1, b)], 1),
    ]
    return torch.stack(rows, 1), scale**2


def _coarse(x: Tensor, family: Tensor, draws: Draws) -> Tensor:
    """Some images as if they had been stored with few pixels."""
    chosen = draws.uniform(0, 1, len(x)) < COARSE
    for kind, name in enumerate(f.name for f in FAMILIES):
        low, high = LOW.get(name, (20, 64))
        rows = torch.nonzero(chosen & (family == kind))[:, 0]
        for part in rows.chunk(2):
            side = int(low * (high / low) ** float(draws.uniform(0, 1, 1)))
            if len(part):
                small = F.interpolate(x[part], size=side, mode="area")
                x[part] = F.interpolate(
                    small, size=x.shape[-2:], mode="bicubic", align_corners=False
                ).clamp(0, 1)
    return x


def _tone(x: Tensor, draws: Draws) -> Tensor:
    """Window, gamma, inversion, blur, noise and tint: (B, 1, S, S) to (B, 3, S, S)."""
    b = len(x)

    def some(chance: float, yes: Tensor, no: float) -> Tensor:
        return torch.where(draws.uniform(0, 1, b) < chance, yes, no).view(b, 1, 1, 1)

    blurred = F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    x = torch.lerp(x, blurred, some(0.4, draws.uniform(-0.5, 1, b), 0.0))
    x = x + some(0.5, draws.uniform(0, 0.08, b), 0.0) * draws.normal(*x.shape)
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    full = ((x - low) / (high - low).clamp_min(1e-3)).clamp(0, 1)
    x = torch.lerp(x.clamp(0, 1), full, some(0.5, torch.ones(b, device=x.device), 0.0))
    x = x ** some(0.7, torch.exp(draws.uniform(-0.6, 0.6, b)), 1.0)
    gain = some(0.6, draws.uniform(0.55, 1.1, b), 1.0)
    x = gain * x + (1 - gain) * draws.uniform(0, 1, b).view(b, 1, 1, 1)
    x = torch.where(some(0.2, torch.ones(b, device=x.device), 0.0) > 0, 1 - x, x)
    tint = 1 + some(0.2, torch.ones(b, device=x.device), 0.0) * draws.uniform(-0.3, 0.3, b, 3, 1, 1)
    return (x * tint).clamp(0, 1)
