"""Transformer blocks over a bag of vectors, read at a class token."""

from __future__ import annotations

import torch
from torch import nn

STD = 0.02  # of the class token and the positions at the start
EPSILON = 1e-6  # of the norms, as timm's DeiT has it


class Blocks(nn.Module):
    """What a ViT (Dosovitskiy et al. 2021; DeiT: Touvron et al. 2021) is behind its patch
    embedding: a class token, learnt positions, ``depth`` blocks (norm, attention, norm, two layers
    with GELU, each added), a norm, and a linear layer on the class token.

    ``inputs`` D of vectors, which a layer takes to ``width`` where that is another. ``longest``:
    vectors of a bag at most, each place of which has a position; 0 without positions. Bags come
    flat, as of :class:`~featprobe.solvers.gated.GatedAttention`.
    """

    def __init__(
        self, inputs: int, width: int, depth: int, heads: int, longest: int, outputs: int
    ) -> None:
        super().__init__()
        self.enter = nn.Identity() if width == inputs else nn.Linear(inputs, width)
        self.token = nn.Parameter(torch.randn(1, 1, width) * STD)
        places = longest + 1 if longest else 0
        self.positions = nn.Parameter(torch.randn(1, places, width) * STD)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.0, activation="gelu", layer_norm_eps=EPSILON,
                batch_first=True, norm_first=True,
            )
            for _ in range(depth)
        )  # fmt: skip
        self.norm = nn.LayerNorm(width, EPSILON)
        self.head = nn.Linear(width, outputs)

    def forward(
        self, vectors: torch.Tensor, slot: torch.Tensor, bags: int, longest: int
    ) -> torch.Tensor:
        """Logits (bags, C)."""
        each = self.enter(vectors)
        grid = each.new_zeros(bags * longest, each.shape[1]).index_copy(0, slot, each)
        empty = torch.ones(bags * longest, dtype=torch.bool, device=each.device)
        empty = empty.index_fill(0, slot, False).view(bags, longest)
        x = torch.cat([self.token.expand(bags, -1, -1), grid.view(bags, longest, -1)], 1)
        if self.positions.shape[1]:
            x = x + self.positions[:, : longest + 1]
        unseen = torch.cat([empty.new_zeros(bags, 1), empty], 1)
        mask = unseen if bool(unseen.any()) else None
        for block in self.blocks:
            x = block(x, src_key_padding_mask=mask)
        logits: torch.Tensor = self.head(self.norm(x[:, 0]))
        return logits
