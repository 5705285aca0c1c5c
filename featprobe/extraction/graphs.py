"""CUDA graphs: the forward pass of one batch recorded once, and sent to the card as a whole.

A small network ends its operations on a card faster than the host sends them. What is recorded is
what runs without, operation by operation, so features are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from featprobe.core.devices import out_of_memory
from featprobe.core.errors import reason

Outputs = dict[str, Tensor]
WARM = 3  # passes before recording: libraries choose their kernels and take their memory in them


def record_on_card(run: Callable[[], Outputs], device: torch.device) -> tuple[Outputs, Any]:
    """Record what ``run`` does on the current stream of a device.

    Returns its outputs, at addresses that stay, and the graph, whose ``replay()`` computes them
    again. Raises what torch raises of an operation that waits for the card or takes memory of its
    own.
    """
    with torch.cuda.device(device):
        before, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(before)
        with torch.cuda.stream(aside):
            for _ in range(WARM):
                run()
        before.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # other threads write shards meanwhile, which is none of the graph's business
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            out = run()
    return out, graph


class Replayed:
    """Runs whole batches of one shape by replaying a graph, and all others as they are.

    ``run``: normalised frames (B, 3, H, W) on the device to outputs; ``record``: as
    :func:`record_on_card`. A graph holds the memory of a forward pass; there is one at most, of the
    shape seen last. A network that cannot be recorded runs as it is, and ``why`` says so.
    """

    def __init__(
        self, run: Callable[[Tensor], Outputs],
        record: Callable[[Callable[[], Outputs], torch.device], tuple[Outputs, Any]]
        = record_on_card,
    ) -> None:  # fmt: skip
        self.run, self.record, self.why = run, record, ""
        self.forget()

    def forget(self) -> None:
        """Give the memory of the graph back."""
        self._input: Tensor | None = None
        self._outputs: Outputs = {}
        self._graph: Any = None

    @torch.inference_mode()
    def __call__(self, x: Tensor, whole: int) -> Outputs:
        """``whole``: frames of the batches that are replayed; shorter ones run as they are.

        What is returned is a copy: the next replay writes over its own outputs. Memory that does
        not suffice is raised as without a graph.
        """
        if len(x) != whole or self.why:
            return self.run(x)
        if self._input is None or self._input.shape != x.shape:
            self.forget()
            try:
                self._record(x)
            except Exception as error:
                self.forget()
                if out_of_memory(error):
                    raise
                self.why = f"not recorded as a graph: {reason(error)}"
                return self.run(x)
        assert self._input is not None
        self._input.copy_(x)
        self._graph.replay()
        return {name: value.clone() for name, value in self._outputs.items()}

    def _record(self, x: Tensor) -> None:
        # the recorded input and output live as long as the graph does
        self._input = held = x.clone()
        self._outputs, self._graph = self.record(lambda: self.run(held), x.device)
