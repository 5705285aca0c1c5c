"""What every decoder is: checked options, and either a network to train or something to solve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from featprobe.core.options import Checked


@dataclass(frozen=True)
class Shape:
    """What goes into a decoder and what comes out: ``blocks`` L and ``width`` D of the tokens on a
    ``grid`` (h, w), images of ``channels`` on the grid ``size`` (H, W) of the answer, ``classes`` K
    (of multi-class masks with background)."""

    blocks: int
    width: int
    grid: tuple[int, int]
    size: tuple[int, int]
    classes: int
    channels: int = 1


@dataclass(frozen=True)
class Decoder(Checked):
    """Options of a decoder; a subclass names it and says how it learns.

    ``name``: in the registry; ``trained``: by gradient steps, see :class:`Trained`, else by
    :class:`~featprobe.segmentation.fitted.Solved`; ``sees``: it is given the image beside the
    tokens; ``alone``: it looks at no tokens, so it is a baseline for all backbones.
    """

    name: ClassVar[str] = ""
    trained: ClassVar[bool] = True
    sees: ClassVar[bool] = False
    alone: ClassVar[bool] = False

    @property
    def takes(self) -> int:
        """How many last blocks of tokens it is given."""
        return int(getattr(self, "blocks", 1))

    def owner(self) -> str:
        return f"decoder {self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values of the options."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def options(cls) -> list[str]:
        """Names of the options."""
        return [f.name for f in fields(cls)]


@dataclass(frozen=True)
class Trained(Decoder):
    """A decoder that is a network.

    ``rates``: learning rates among which val chooses where none are given; a best one at their end
    is followed by more.
    """

    rates: ClassVar[tuple[float, ...]] = (1e-3, 3e-3, 1e-2)

    def network(self, shape: Shape) -> Network:
        """One with fresh weights, drawn from torch's generator."""
        raise NotImplementedError


class Network(nn.Module):
    """Tokens to logits.

    ``forward(tokens, image)`` takes float tokens (B, L, h, w, D) and None or images (B, C, H, W),
    and returns logits (B, K, a, b) on a grid of its own over the same field of view, which is
    brought to H x W by whoever asks (bilinear, cell centres aligned). ``small``: of so few
    operations that several threads hardly gain.
    """

    small: ClassVar[bool] = False

    @classmethod
    def together(cls, networks: Sequence[Network], tokens: Tensor, image: Tensor | None) -> Tensor:
        """Logits (G, B, K, a, b) of G networks of one kind for the same tokens."""
        return torch.stack([network(tokens, image) for network in networks])


def joined(tokens: Tensor) -> Tensor:
    """(B, h, w, L D): the blocks of each patch side by side, of (B, L, h, w, D)."""
    b, blocks, h, w, d = tokens.shape
    if blocks == 1:
        return tokens[:, 0]
    return tokens.permute(0, 2, 3, 1, 4).reshape(b, h, w, blocks * d)


def maps(tokens: Tensor, block: int) -> Tensor:
    """(B, D, h, w) of one block, counted from 0 or, negative, from the last."""
    return tokens[:, block].permute(0, 3, 1, 2)
