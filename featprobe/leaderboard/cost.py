"""Time and memory of trainings, as columns of tables."""

from __future__ import annotations

import math
from collections.abc import Iterable

from featprobe.evaluation.results import Result

HEADS = ("trained", "time", "peak memory")
FIELDS = ("trainable", "parameters", "seconds", "peak_memory", "images_per_second")  # of the CSV
EXPLAINED = "trained: parameters that trained, of all; time: of the training."


def known(results: Iterable[Result]) -> bool:
    """Whether any of them was a training."""
    return any(r.cost for r in results)


def cells(r: Result) -> list[str]:
    """What a training took: ``0.3 of 2.4 M``, ``3.5 min``, ``1.2 GB``; dashes where unknown."""
    trained, whole = (r.cost.get(n, math.nan) for n in ("trainable", "parameters"))
    seconds, memory = (r.cost.get(n, math.nan) for n in ("seconds", "peak_memory"))
    return [
        "-" if math.isnan(trained + whole) else f"{_millions(trained)} of {whole / 1e6:.1f} M",
        "-" if math.isnan(seconds) else _duration(seconds),
        "-" if math.isnan(memory) else f"{memory / 1e9:.1f} GB",
    ]


def _millions(n: float) -> str:
    """With two digits that count, however few."""
    return f"{n / 1e6:.1f}" if n >= 1e5 or not n else f"{n / 1e6:.2g}"


def _duration(seconds: float) -> str:
    for least, unit in ((3600, "h"), (60, "min")):
        if seconds >= least:
            return f"{seconds / least:.1f} {unit}"
    return f"{seconds:.0f} s"
