"""Frames from the host to a device, copied while it computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from featprobe.backbones.resizing import as_tensor

BUFFERS = 2  # one is filled while the other is read


class Lane(Protocol):
    """What copies from the host to a device, apart from what computes there."""

    def memory(self, n: int) -> Tensor:
        """(n,) bytes of the host that a copy can be made of without waiting."""

    def copy(self, host: Tensor) -> tuple[Tensor, Any]:
        """The tensor on the device, and an event whose ``synchronize()`` waits until ``host`` has
        been read. What is computed with the tensor waits for the copy by itself."""


class CudaLane:
    """Page-locked memory and a stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, torch.cuda.Stream(device)

    def memory(self, n: int) -> Tensor:
        return torch.empty(n, dtype=torch.uint8, pin_memory=True)

    def copy(self, host: Tensor) -> tuple[Tensor, Any]:
        event, computing = torch.cuda.Event(), torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.stream):
            x = host.to(self.device, non_blocking=True)
            event.record()
        computing.wait_event(event)
        x.record_stream(computing)  # its memory is not given away before that is done with it
        return x, event


@dataclass
class Buffer:
    """Bytes of the host, and the event after which they may be written again."""

    memory: Tensor
    event: Any = None


class Upload:
    """Brings frames to a device.

    A copy from ordinary memory waits on a card for everything that it was given before, so that it
    stands still while the next batch is prepared. Frames go through two page-locked buffers by
    turns instead; one is written again when its copy is over. On a CPU they stay where they are.
    """

    def __init__(self, device: torch.device, lane: Lane | None = None) -> None:
        self.lane = lane or (CudaLane(device) if device.type == "cuda" else None)
        self._buffers: list[Buffer] = []
        self._turn = 0

    def __call__(self, parts: Sequence[np.ndarray]) -> Tensor:
        """Frames (F, ...) of one shape and dtype, those of all parts one after the other."""
        if self.lane is None:
            return as_tensor(parts[0] if len(parts) == 1 else np.concatenate(parts))
        buffer = self._free(sum(p.nbytes for p in parts))
        like, at = as_tensor(parts[0][:0]).dtype, 0
        for part in parts:
            target = buffer.memory[at : at + part.nbytes].numpy()
            target.view(part.dtype)[...] = part.reshape(-1)
            at += part.nbytes
        shape = (sum(map(len, parts)), *parts[0].shape[1:])
        x, buffer.event = self.lane.copy(buffer.memory[:at].view(like).view(shape))
        return x

    def _free(self, size: int) -> Buffer:
        """The next buffer, when its last copy is over, grown to at least ``size`` bytes."""
        assert self.lane is not None
        if len(self._buffers) < BUFFERS:
            self._buffers.append(Buffer(self.lane.memory(size)))
            return self._buffers[-1]
        buffer = self._buffers[self._turn]
        self._turn = (self._turn + 1) % BUFFERS
        if buffer.event is not None:
            buffer.event.synchronize()
        if len(buffer.memory) < size:
            buffer.memory = self.lane.memory(size)
        return buffer
