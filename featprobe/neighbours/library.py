"""FAISS itself, with matrix products that suit the processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from featprobe.core.errors import MissingExtra

CORE = "OPENBLAS_CORETYPE"  # read by OpenBLAS when it is loaded
# of OpenBLAS' kernels (cpuid_x86.c), the newest first, and what they need
KERNELS = {
    "SkylakeX": {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"},
    "Haswell": {"avx2", "fma"},
}


def library() -> Any:
    """The module; raises :class:`MissingExtra` where it is not installed.

    Its wheels hold an OpenBLAS of their own, which takes the kernels of 2004 (SSE3) for a processor
    that it does not know by its model: exact searches then take 4.7 times as long. So it is told
    what the processor can do. A choice that the user has made stays.
    """
    try:
        with _kernels():
            import faiss
    except ImportError:
        raise MissingExtra(
            "kNN needs FAISS: pip install 'featprobe[cpu]', or 'featprobe[gpu]' beside a GPU"
        ) from None
    return faiss


def kernels_for(flags: set[str]) -> str | None:
    """The newest of :data:`KERNELS` that a processor of these flags runs; None: it may choose."""
    return next((name for name, needed in KERNELS.items() if needed <= flags), None)


def flags(path: Path = Path("/proc/cpuinfo")) -> set[str]:
    """What the processor can do, as Linux says it; empty elsewhere."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return set()
    return next(
        (set(line.split(":")[1].split()) for line in lines if line.startswith("flags")), set()
    )


@contextmanager
def _kernels() -> Iterator[None]:
    found = None if CORE in os.environ else kernels_for(flags())
    if found is None:
        yield
        return
    os.environ[CORE] = found
    try:
        yield
    finally:
        del os.environ[CORE]  # other libraries of the process know it better
