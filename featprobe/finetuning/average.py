"""An exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def statistics(live: Sequence[nn.Module]) -> list[Tensor]:
    """Buffers that move in training: the running means and variances of norms by batch."""
    found = {id(b): b for module in live for b in module.buffers() if b.is_floating_point()}
    return list(found.values())


class Average:
    """Of parameters, and of the statistics of norms by batch, which belong to them.

    As ``AveragedModel`` of ``torch.optim.swa_utils`` with ``get_ema_multi_avg_fn`` and
    ``use_buffers`` has it.

    The average begins as the weights after the first step.
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.parameters, self.decay, self.steps = list(parameters), decay, 0
        self.values = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take a step's weights in."""
        weight = 1 - self.decay if self.steps else 1.0
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], weight)
        self.steps += 1

    @torch.no_grad()
    def copy(self) -> None:
        """Make the average the weights."""
        for p, value in zip(self.parameters, self.values):
            p.copy_(value)

    @contextmanager
    def put_in(self) -> Iterator[None]:
        """The weights are the average inside, and what they were afterwards."""
        own = [p.detach().clone() for p in self.parameters]
        self.copy()
        try:
            yield
        finally:
            with torch.no_grad():
                for p, value in zip(self.parameters, own):
                    p.copy_(value)
