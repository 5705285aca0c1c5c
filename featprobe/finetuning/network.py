"""A backbone with a head: from frames of items to logits."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.features.view_names import one_block, view_part
from featprobe.solvers.gated import GatedAttention

HIDDEN = 128  # of attention pooling


def wanted_of(backbone: Backbone, view: str | None) -> dict[str, int]:
    """Output -> last blocks, of a view as :meth:`~featprobe.features.feature_set.FeatureSet.x` has
    them.

    None is ``cls``, or ``mean`` where there is no CLS. Raises :class:`UnknownName` for an output
    that the backbone lacks, :class:`InputError` for a view that is not understood.
    """
    view = view or next(n for n in ("cls", "mean") if n in backbone.outputs)
    wanted: dict[str, int] = {}
    for part in view.split("+"):
        name, blocks = view_part(part, view)
        if name == "tokens" or one_block(part):
            raise InputError(f"view {view!r} is not understood: write cls, cls:4, mean, cls+mean")
        if name not in backbone.outputs:
            have = ", ".join(backbone.outputs)
            raise UnknownName(
                f"{backbone.name} has no output {name!r}.{nearest(name, backbone.outputs)} "
                f"It has: {have}"
            )
        if not 1 <= blocks <= backbone.outputs[name][0]:
            raise InputError(
                f"{backbone.name} has {backbone.outputs[name][0]} blocks of {name}, not {blocks}"
            )
        wanted[name] = blocks
    return wanted


class Head(nn.Module):
    """Pools the frames of each item and gives logits.

    ``pool``: ``mean`` or ``max`` of the frames' features, or ``attention``, the gated one of Ilse
    et al. (2018). Features are scaled by ``mean`` and ``scale`` (D,), which are buffers: 0 and 1
    unless set. Weights start at zero, so that the first gradient says where to go.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, outputs: int, pool: str = "mean", dropout: float = 0.0) -> None:
        super().__init__()
        self.pool = pool
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.dropout = nn.Dropout(dropout)
        self.linear: nn.Linear | GatedAttention = nn.Linear(width, outputs)
        if pool == "attention":
            self.linear = GatedAttention(width, HIDDEN, outputs)
        last = self.linear.head if isinstance(self.linear, GatedAttention) else self.linear
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def rows(self, frames: Tensor, counts: Tensor) -> Tensor:
        """What is scaled: (B, D) pooled features of items, or (f, D) those of all frames."""
        if self.pool == "attention" or len(frames) == len(counts):
            return frames
        parts = frames.split(counts.tolist())
        return torch.stack([p.amax(0) if self.pool == "max" else p.mean(0) for p in parts])

    def forward(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Features (f, D) of the frames of items with ``counts`` (B,) to logits (B, C)."""
        x = self.dropout((self.rows(frames, counts) - self.mean) / self.scale)
        if not isinstance(self.linear, GatedAttention):
            return self.linear(x)
        longest = int(counts.max())
        place = torch.cat([torch.arange(int(n)) + i * longest for i, n in enumerate(counts)])
        return self.linear(x, place.to(x.device), len(counts), longest)


class Network(nn.Module):
    """A backbone's module with a :class:`Head`; called with normalised frames and counts.

    ``wanted``: output -> last blocks, joined as
    :meth:`~featprobe.features.feature_set.FeatureSet.x` joins them.
    """

    def __init__(self, backbone: Backbone, wanted: Mapping[str, int], head: Head) -> None:
        super().__init__()
        self.backbone = backbone.module
        self.head = head
        self.adapter, self.wanted = backbone.adapter, dict(wanted)

    @property
    def live(self) -> list[nn.Module]:
        """Modules of the head whose statistics move in training."""
        return []

    def features(self, x: Tensor) -> Tensor:
        """Normalised frames (f, 3, H, W) to (f, D)."""
        found = self.adapter(self.backbone, x, self.wanted)
        return torch.cat([found[name].flatten(1) for name in self.wanted], 1)

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """Normalised frames (f, 3, H, W) of items with ``counts`` (B,) to logits (B, C)."""
        return self.head(self.features(x), counts)


def width_of(backbone: Backbone, wanted: Mapping[str, int]) -> int:
    """D of the joined features."""
    return sum(blocks * backbone.outputs[name][1] for name, blocks in wanted.items())
