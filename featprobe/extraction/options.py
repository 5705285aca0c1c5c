"""The settings of an extraction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from featprobe.core.errors import InputError
from featprobe.core.options import Checked
from featprobe.extraction.workers import SECONDS

BLOCKS = 4  # last blocks of vectors that are stored by default


@dataclass(frozen=True)
class Options(Checked):
    """How an extraction runs; none of it changes the features but ``precision``.

    ``engine``: where it runs, ``local`` being this machine, ``ray`` a cluster. ``devices``: several
    of this machine instead of one ``device``, a process each. ``batch_size``: frames, 16 on a CPU
    and 128 on a GPU by default. ``workers``: decode processes of a device, by default its share of
    the cores, at most eight (of a GPU sixteen); 0 decodes in the process itself. ``streams``:
    batches side by side on a CPU, by default as many. ``item_timeout``: seconds after which an item
    that is still not decoded is given up. ``compiled``: compile the blocks with torch.compile, or
    ``auto``: where that is expected to pay (:mod:`featprobe.extraction.compiling`), or ``graphs``:
    replay whole batches as a CUDA graph (:mod:`featprobe.extraction.graphs`). ``part``: (i, n), the
    i-th of n parts of the shards, from 1. ``strict``: stop at the first unreadable item
    instead of recording it. ``retry_failed``: try recorded failures again. ``progress``: show it on
    standard error, as JSON events if ``"json"``.
    """

    engine: str = "local"
    device: str | None = None
    devices: tuple[str, ...] = ()
    precision: str | None = None
    batch_size: int | None = None
    workers: int | None = None
    streams: int | None = None
    item_timeout: float = SECONDS
    compiled: bool | Literal["auto", "graphs"] = False
    part: tuple[int, int] = (1, 1)
    strict: bool = False
    retry_failed: bool = False
    progress: bool | Literal["json"] = False

    def owner(self) -> str:
        return "an extraction"

    def check(self) -> None:
        for name, least in (("batch_size", 1), ("workers", 0), ("streams", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} {value} must be at least {least}")
        if self.item_timeout <= 0:
            raise InputError(f"item_timeout {self.item_timeout:g} must be above 0 seconds")
        i, n = self.part
        if not 1 <= i <= n:
            raise InputError(f"--shard {i}/{n}: parts are counted from 1 to {n}")


@dataclass(frozen=True)
class Settings(Options):
    """Options with every default filled in."""

    target: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "float32"
    batch_size: int = 16
    workers: int = 1
    streams: int = 1
