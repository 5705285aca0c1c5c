"""Gated attention pooling as a torch module."""

from __future__ import annotations

import torch
from torch import nn


class GatedAttention(nn.Module):
    """Ilse, Tomczak and Welling (2018), equation 9, ending in a linear layer.

    Bags of any length come flat: ``frames`` (f, D), and ``slot`` (f,) the place of each frame in a
    (bags, longest) grid, row by row. Only scores and logits are padded, never frames: the logits
    of a weighted mean are the weighted mean of logits, because the weights sum to one.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(inputs, hidden), nn.Linear(inputs, hidden)
        self.weight = nn.Linear(hidden, 1, bias=False)
        self.head = nn.Linear(inputs, outputs)

    def attention(
        self, frames: torch.Tensor, slot: torch.Tensor, bags: int, longest: int
    ) -> torch.Tensor:
        """Weights (bags, longest), each row summing to one, zero where there is no frame."""
        gated = torch.tanh(self.value(frames)) * torch.sigmoid(self.gate(frames))
        scores = frames.new_full((bags * longest,), -torch.inf)
        scores = scores.index_copy(0, slot, self.weight(gated)[:, 0])
        return scores.view(bags, longest).softmax(1)

    def forward(
        self, frames: torch.Tensor, slot: torch.Tensor, bags: int, longest: int
    ) -> torch.Tensor:
        """Logits (bags, C)."""
        each = self.head(frames)
        grid = each.new_zeros(bags * longest, each.shape[1]).index_copy(0, slot, each)
        weights = self.attention(frames, slot, bags, longest)
        return (weights[:, :, None] * grid.view(bags, longest, -1)).sum(1)
