"""The forward pass of an extraction: batches in, features out, some batches behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from featprobe.backbones.base import Backbone
from featprobe.core.devices import frames_at_once, out_of_memory
from featprobe.core.errors import InputError
from featprobe.extraction.graphs import Replayed


@dataclass
class OnHost:
    """Features on the host, perhaps still being copied there."""

    values: dict[str, Tensor]
    event: torch.cuda.Event | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """Name -> (B, L, ...); waits for the copy."""
        if self.event is not None:
            self.event.synchronize()
        return {name: value.numpy() for name, value in self.values.items()}


@dataclass
class Pending:
    """Features that a stream of the CPU is still computing."""

    future: Future[OnHost]

    def arrays(self) -> dict[str, np.ndarray]:
        """Name -> (B, L, ...); waits for them."""
        return self.future.result().arrays()


class Streams:
    """Runs batches side by side on a CPU, each on few threads.

    One batch on all cores waits at the end of every operation for the slowest core, and a decoder
    that takes one for a moment holds up all; batches on cores of their own do not. Which stream
    takes a batch does not change its features. ``with Streams(n) as streams`` leaves torch's number
    of threads as it was.
    """

    def __init__(self, n: int) -> None:
        options = os.environ.get("OMP_NUM_THREADS", "")  # the share of one process among several
        cores = int(options) if options.isdecimal() else os.cpu_count() or 1
        self.n, self.threads = n, max(1, cores // n)

    def __enter__(self) -> Streams:
        self._before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        self._pool = ThreadPoolExecutor(
            self.n, "stream", torch.set_num_threads, initargs=(self.threads,)
        )
        return self

    def submit(self, run: Callable[[Tensor], OnHost], x: Tensor) -> Pending:
        return Pending(self._pool.submit(run, x))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=error is not None)
        torch.set_num_threads(self._before)


class Forward:
    """Runs batches and halves them when memory does not suffice.

    ``wanted``: output -> last blocks. ``compiled``: each block is compiled for the one shape that
    occurs; a short batch, or its last piece, is filled up with black frames for it. ``graphs``:
    whole batches are replayed as a graph of a card, see :mod:`featprobe.extraction.graphs`.
    ``batch`` is the present size and ``halved`` how often it was cut. On a CPU a batch goes through
    in pieces of a few frames.
    """

    def __init__(
        self, backbone: Backbone, wanted: Mapping[str, int], precision: str, batch: int,
        compiled: bool = False, streams: Streams | None = None, graphs: bool = False,
    ) -> None:  # fmt: skip
        self.streams = streams
        self.backbone, self.wanted, self.precision = backbone, dict(wanted), precision
        self.batch, self.compiled, self.halved = batch, compiled, 0
        self.threads = streams.threads if streams else torch.get_num_threads()
        self.replayed = Replayed(self._pass) if graphs else None
        if compiled:
            backbone.compile(precision)

    @property
    def flying(self) -> int:
        """How many batches may be under way while the next is prepared."""
        return self.streams.n if self.streams else 1

    def __call__(self, x: Tensor) -> OnHost | Pending:
        """Normalised frames (B, 3, H, W), B at most the batch it began with.

        Raises :class:`~featprobe.core.errors.InputError` when one frame alone is too much.
        """
        return self.streams.submit(self._all, x) if self.streams else self._all(x)

    def _all(self, x: Tensor) -> OnHost:
        parts: list[dict[str, Tensor]] = []
        size = x.shape[-2], x.shape[-1]
        start = 0
        while start < len(x):
            most = frames_at_once(self.backbone.device, self.batch, self.threads, size)
            part = x[start : start + most]
            try:
                parts.append(self._run(part, most))
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise InputError(
                        f"{self.backbone.name}: {self.backbone.device} has too little memory for "
                        "one frame; use a smaller --image-size or model, or another --device"
                    ) from error
                self.batch = -(-len(part) // 2)
                self.halved += 1
                if self.replayed:
                    self.replayed.forget()
            else:
                start += len(part)
                continue
            if self.backbone.device.type == "cuda":
                torch.cuda.empty_cache()
        joined = {n: torch.cat([p[n] for p in parts]) for n in self.wanted}
        return self._to_host(joined if len(parts) > 1 else parts[0])

    def _run(self, x: Tensor, most: int) -> dict[str, Tensor]:
        if self.replayed:
            return self.replayed(x, most)
        n = len(x)
        if self.compiled and n < most:
            x = torch.cat([x, x.new_zeros((most - n, *x.shape[1:]))])
        return {name: value[:n] for name, value in self._pass(x).items()}

    def _pass(self, x: Tensor) -> dict[str, Tensor]:
        return self.backbone.forward(x, self.wanted, self.precision)

    def _to_host(self, values: dict[str, Tensor]) -> OnHost:
        if self.backbone.device.type != "cuda":
            return OnHost({name: value.cpu() for name, value in values.items()})
        host = {}
        for name, value in values.items():
            host[name] = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            host[name].copy_(value, non_blocking=True)
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self.backbone.device))  # perhaps not of cuda:0
        return OnHost(host, event)
