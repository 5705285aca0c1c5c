"""What an extraction did, and where its time went."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

from featprobe.extraction.options import Settings
from featprobe.extraction.times import Times
from featprobe.store.storage_path import StoragePath


@dataclass
class Summary:
    """What an extraction did. ``new_frames`` is 0 when everything was in the cache.

    ``rate``: frames a second once running; ``bottleneck``: what it mostly waited for; ``stopped``:
    the signal that ended it early; ``appearance``: how the items of this run were shown and made,
    fact -> value -> items; ``findings``: what of it a reader of results should know; ``outdated``:
    stores of the same backbone whose files were others; ``compiled``: whether blocks were.
    """

    path: StoragePath
    frames: int
    items: int
    new_frames: int = 0
    seconds: float = 0.0
    times: dict[str, float] = field(default_factory=dict)
    rate: float = 0.0
    bottleneck: str = ""
    failures: dict[str, str] = field(default_factory=dict)
    outdated: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    appearance: dict[str, dict[str, int]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    relabelled: bool = False
    stopped: int = 0
    device: str = "cpu"
    compiled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "path": str(self.path)}


def bottleneck(times: Times, seconds: float, o: Settings) -> str:
    """What a run mostly waited for, with the option that would relieve it."""
    cores = os.cpu_count() or 1
    if times.blocked > 0.2 * seconds:
        return "writing: put the cache on a faster disk"
    if times.wait > 0.2 * seconds:
        if o.workers < cores:
            return f"decoding: --workers {cores} (now {o.workers})"
        return "decoding, with all cores: store smaller images, or extract in parts (--shard)"
    if o.target.type == "cpu":
        return "the model on this CPU: a GPU (--device cuda), or parts on more machines (--shard)"
    if o.precision == "float32":
        return "the model in float32: --precision bf16"
    return "the model on this GPU" + ("" if o.compiled else ": --compile auto")
