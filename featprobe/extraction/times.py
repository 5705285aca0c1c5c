"""What an extraction waits for."""

from __future__ import annotations

import time
from dataclasses import dataclass

from featprobe.core.stopwatch import counted

WAITED = {
    "wait": "waiting for decoding", "device": "network and transfer",
    "blocked": "waiting for writing",
}  # fmt: skip


@dataclass
class Times:
    """Seconds: ``decode`` summed over workers, ``wait`` for it, ``device``, ``write`` behind, and
    ``blocked`` by it."""

    decode: float = 0.0
    wait: float = 0.0
    device: float = 0.0
    write: float = 0.0
    blocked: float = 0.0

    def took(self, kind: str, begin: float) -> None:
        """Count what was waited for since ``begin``, for a watch that is running too."""
        seconds = time.perf_counter() - begin
        setattr(self, kind, getattr(self, kind) + seconds)
        counted(WAITED[kind], seconds)
