"""How much room features will take, told before the first is made."""

from __future__ import annotations

import shutil
import sys
from math import prod
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.store.format import Layout
from featprobe.store.quantised import stored_shape, stored_type
from featprobe.store.storage_path import StoragePath

WORTH_A_LINE = 100e6  # bytes from which it is worth a line


def sizes(layout: Layout, dtype: str) -> dict[str, int]:
    """Bytes of each output of all frames on disk, those of its augmented views with it."""
    item = np.dtype(stored_type(dtype)).itemsize
    out = dict.fromkeys(layout.outputs, 0)
    for name, shape in layout.arrays.items():
        output = name.partition(".")[0]
        out[output] += layout.frames * prod(stored_shape(shape, dtype)) * item
    return out


def check_disk_space(path: StoragePath, layout: Layout, dtype: str, progress: Any = False) -> None:
    """Say what a store will take and what is free; :class:`InputError` where that is too little.

    Of a place that is not on this machine nothing is known to be free.
    """
    parts = sizes(layout, dtype)
    total = sum(parts.values())
    free = _free(path)
    of = ", ".join(f"{n} {_gigabytes(b)}" for n, b in parts.items() if b > total / 100)
    views = len(layout.arrays) // len(layout.outputs)
    seen = f" in {views} views" if views > 1 else ""
    text = f"{layout.frames} frames{seen} take {_gigabytes(total)} ({of})"
    if free is not None and total > free:
        raise InputError(
            f"{path.stem}: {text}, and {_gigabytes(free)} are free there: keep less with --frames "
            "foreground or n=16, --dim N, --dtype int8, fewer blocks or --views, a smaller "
            "--image-size, or name another --cache"
        )
    if progress is True and (total > WORTH_A_LINE or views > 1):
        there = "" if free is None else f", {_gigabytes(free)} are free"
        print(f"{path.stem}: {text}{there}", file=sys.stderr, flush=True)


def _free(path: StoragePath) -> int | None:
    """Bytes free where a store will be; None of another machine."""
    if path.local is None:
        return None
    place = path.local
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _gigabytes(n: float) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e8 else f"{n / 1e6:.1f} MB"
