"""Digests: what decides whether cached features may be reused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.opening import raw

_BLOCK = 1024  # pairs that are put together at a time


def digest(value: Any) -> str:
    """sha256 (hex) of a JSON value in canonical form: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """:func:`digest` of a list of pairs of texts, none of which is kept."""
    h, rest, comma = hashlib.sha256(b"["), iter(pairs), ""
    while block := [f"[{quoted(a)},{quoted(b)}]" for a, b in islice(rest, _BLOCK)]:
        h.update((comma + ",".join(block)).encode())
        comma = ","
    h.update(b"]")
    return h.hexdigest()


def array_digest(array: np.ndarray) -> str:
    """sha256 (hex) of an array's dtype, shape and bytes in C order."""
    h = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    h.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return h.hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """sha256 (hex) of a file's bytes. Raises ``OSError`` as ``open`` does."""
    with raw(Path(path)) as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
