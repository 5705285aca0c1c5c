"""Memory that is freed stays with the process, for what it asks for next."""

from __future__ import annotations

import ctypes
from typing import Any

# of malloc.h; no more than 32 MB may be asked of glibc as M_MMAP_THRESHOLD
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _LARGEST = -1, -3, 1 << 25


def keep_freed(most: int = 1 << 26) -> None:
    """Keep up to ``most`` freed bytes in this process, from now on.

    glibc gives a film or a layer's values back to the system as soon as they are freed, and the
    next one is fetched again page by page, each of them cleared: a fifth to two fifths of decoding
    a film, a twentieth of a network. Values beyond 32 MB are given back all the same. Nothing
    happens where the C library has no such choice.
    """
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_TRIM_THRESHOLD, most)
        mallopt(_MMAP_THRESHOLD, _LARGEST)


def give_back() -> None:
    """Return freed memory to the system, where the C library has a way to."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def _function(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # a platform whose program is no library
        return None
