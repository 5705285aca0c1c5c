"""Memory: too little of it told in one line, and how much a training took."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import torch

from featprobe.core.devices import out_of_memory
from featprobe.core.errors import InputError
from featprobe.finetuning.settings import Training

SECONDS = 0.05  # between looks at the memory of the process


@contextmanager
def enough_memory(device: torch.device, training: Training) -> Iterator[None]:
    """Turn an allocation that fails into :class:`InputError` that says what needs less."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        together = training.batch // training.accumulate
        less = [f"--accumulate {2 * training.accumulate}"] if together > 1 else []
        less += [] if training.checkpointing else ["--checkpointing"]
        less += [] if training.train_frames else ["--train-frames N (of volumes)"]
        raise InputError(
            f"{device} has too little memory for {together} items at once; use "
            f"{', '.join(less)}, a smaller --image-size, or a recipe that trains less"
        ) from error


class Peak:
    """The largest memory in use while it is watched: ``with Peak(device) as peak: ...``.

    ``bytes``: of a GPU what torch had allocated on it, elsewhere the resident set of the process.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.bytes = device, 0
        self._over = threading.Event()

    def __enter__(self) -> Peak:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return self
        import psutil

        self._process = psutil.Process()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, self._process.memory_info().rss)
            if self._over.wait(SECONDS):
                return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device)
            return
        self._over.set()
        self._thread.join()
