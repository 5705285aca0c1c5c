"""An exponential moving average of what trains, by torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def statistics(live: Sequence[nn.Module]) -> list[Tensor]:
    """Buffers that move in training: the running means and variances of norms by batch."""
    found = {id(b): b for module in live for b in module.buffers() if b.is_floating_point()}
    return list(found.values())


class _Moving(nn.Module):
    """Parameters and buffers of a network as a module of their own, which shares their memory."""

    def __init__(self, parameters: Sequence[nn.Parameter], buffers: Sequence[Tensor]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(parameters)
        for i, buffer in enumerate(buffers):
            self.register_buffer(f"buffer{i}", buffer)

    def tensors(self) -> list[Tensor]:
        return [*self.parameters(), *self.buffers()]


class Average:
    """Of parameters, and of the statistics of norms by batch (``buffers``), which belong to them.

    :class:`torch.optim.swa_utils.AveragedModel` with ``get_ema_multi_avg_fn`` and ``use_buffers``
    over these alone: over a whole network it would copy and average all that is frozen, too. The
    average begins as the weights after the first step.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], decay: float, buffers: Sequence[Tensor] = ()
    ) -> None:
        self._live = _Moving(parameters, buffers)
        self._model = AveragedModel(
            self._live, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )
        self._own: Any = self._model.module

    @property
    def values(self) -> list[Tensor]:
        """The averages of the parameters, then of the buffers; to be written to in place."""
        return [t.detach() for t in self._own.tensors()]

    @property
    def steps(self) -> int:
        """How many steps' weights were taken in."""
        return int(self._model.n_averaged)

    def restore(self, values: Sequence[Tensor], steps: int) -> None:
        """Go on from :attr:`values` and :attr:`steps` that were kept."""
        for value, other in zip(self.values, values, strict=True):
            value.copy_(other)
        self._model.n_averaged.fill_(steps)

    def update(self) -> None:
        """Take a step's weights in."""
        self._model.update_parameters(self._live)

    @torch.no_grad()
    def copy(self) -> None:
        """Make the average the weights."""
        for live, value in zip(self._live.tensors(), self.values):
            live.copy_(value)

    @contextmanager
    def put_in(self) -> Iterator[None]:
        """The weights are the average inside, and what they were afterwards."""
        own = [t.detach().clone() for t in self._live.tensors()]
        self.copy()
        try:
            yield
        finally:
            with torch.no_grad():
                for live, value in zip(self._live.tensors(), own):
                    live.copy_(value)
