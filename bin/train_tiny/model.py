"""The network and what it is asked to predict while it learns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Dinov2Config, Dinov2Model

from train_tiny.augment import Views
from train_tiny.images import ANATOMY, CLASSES, DRAWINGS, FINDINGS, MARK, START

MEAN, STD = 0.5, 0.25
THUMB, CELLS, BINS = 8, 4, 8  # descriptor: side of the thumbnail; cells and bins of gradients
WEIGHTS = {
    "class": 1.0, "views": 0.25, "place": 3.0, "present": 1.0, "count": 0.2, "looks": 1.0
}  # fmt: skip


def config(size: int = 112, width: int = 192, blocks: int = 5, heads: int = 3) -> Dinov2Config:
    """The architecture: DINOv2 with patches of 14 pixels."""
    return Dinov2Config(
        hidden_size=width, num_hidden_layers=blocks, num_attention_heads=heads, image_size=size,
        patch_size=14,
    )  # fmt: skip


def descriptor(x: Tensor) -> Tensor:
    """What an image looks like, (B, 192): an 8 x 8 thumbnail, gradient directions in 4 x 4 cells.

    Gradients fall into 8 directions over half a turn, as in histograms of oriented gradients.
    """
    grey = x.mean(1, keepdim=True)
    thumb = F.adaptive_avg_pool2d(grey, THUMB).flatten(1)
    small = F.adaptive_avg_pool2d(grey, 56)
    dy = (small[:, 0, 2:, 1:-1] - small[:, 0, :-2, 1:-1]) / 2
    dx = (small[:, 0, 1:-1, 2:] - small[:, 0, 1:-1, :-2]) / 2
    turn = torch.atan2(dy, dx) % torch.pi / torch.pi * BINS
    way = turn[:, None] - torch.arange(BINS, device=x.device).view(1, BINS, 1, 1)
    way = torch.minimum(way % BINS, -way % BINS)
    votes = (1 - way).clamp_min(0) * torch.hypot(dx, dy)[:, None]
    return torch.cat([thumb, 4 * F.adaptive_avg_pool2d(votes, CELLS).flatten(1).sqrt()], 1)


class Learner(nn.Module):
    """The backbone with heads that are thrown away.

    CLS and the mean of the patch tokens, both after the final norm, each have their own heads:
    ``class`` (cosine to a prototype for each class), ``views`` (which view is of the same image),
    ``present`` (a finding), ``count`` (objects), ``looks`` (the descriptor). Patch tokens say
    ``place``: how much of the patch is drawn on, and how much is a finding.
    """

    def __init__(self, cfg: Dinov2Config) -> None:
        super().__init__()
        self.backbone = Dinov2Model(cfg)
        d, described = cfg.hidden_size, THUMB**2 + BINS * CELLS**2
        self.prototypes = nn.ParameterList(
            [nn.Parameter(torch.randn(CLASSES, d) * 0.02) for _ in range(2)]
        )
        self.projections = nn.ModuleList(
            [nn.Sequential(nn.Linear(d, 256), nn.GELU(), nn.Linear(256, 64)) for _ in range(2)]
        )
        self.factors = nn.ModuleList([nn.Linear(d, 2 + described) for _ in range(2)])
        self.place = nn.Linear(d, 2)

    def losses(self, views: Views) -> dict[str, Tensor]:
        """Each objective on views whose second half shows the same images as the first."""
        tokens = self.backbone(pixel_values=(views.x - MEAN) / STD).last_hidden_state
        cls, patches = tokens[:, 0], tokens[:, 1:]
        out: dict[str, Any] = dict.fromkeys(WEIGHTS, 0.0)
        anatomical = views.family == ANATOMY
        drawn = (views.family >= DRAWINGS[0]) & (views.family <= DRAWINGS[-1])
        present = ((views.label - int(START[ANATOMY])) % len(FINDINGS) > 0).float()
        looks = descriptor(views.x)
        looks = (looks - looks.mean(0)) / looks.std(0).clamp_min(0.02)
        for k, h in enumerate((cls, patches.mean(1))):
            score = F.normalize(h, dim=1) @ F.normalize(self.prototypes[k], dim=1).T
            out["class"] += F.cross_entropy(16 * score, views.label, label_smoothing=0.05)
            out["views"] += contrast(F.normalize(self.projections[k](h), dim=1))
            said = self.factors[k](h)
            finding = F.binary_cross_entropy_with_logits(said[:, 0], present, reduction="none")
            out["present"] += (finding * anatomical).sum() / anatomical.sum().clamp_min(1)
            error = (said[:, 1] - views.count.clamp_min(1).log()) ** 2
            out["count"] += (error * drawn).sum() / drawn.sum().clamp_min(1)
            out["looks"] += F.mse_loss(said[:, 2:], looks)
        side = round(patches.shape[1] ** 0.5)
        target = F.interpolate(views.marks, size=(side, side), mode="area")
        if side > MARK:
            raise ValueError(f"{side} patches a side are more than the {MARK} cells of a map")
        said = self.place(patches).transpose(1, 2).view_as(target)
        each = F.binary_cross_entropy_with_logits(said, target, reduction="none")
        out["place"] = each[:, 0].mean() + (each[:, 1] * anatomical.view(-1, 1, 1)).mean() * 3
        return out


def contrast(z: Tensor, temperature: float = 0.15) -> Tensor:
    """InfoNCE of unit vectors (2B, d) where row i and row i + B are views of one image."""
    b = len(z) // 2
    logits = z @ z.T / temperature
    logits = logits.masked_fill(torch.eye(2 * b, dtype=torch.bool, device=z.device), -1e4)
    partner = torch.arange(2 * b, device=z.device).roll(b)
    return F.cross_entropy(logits, partner)


def total(losses: dict[str, Tensor]) -> Tensor:
    """The weighted sum."""
    return torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()
