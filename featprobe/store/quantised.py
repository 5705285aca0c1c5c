"""Features as bytes: int8 codes of each vector with its scale behind them.

A vector x (D,) is stored as ``round(x / s)`` with ``s = max|x| / 127``, and s as the four bytes of
a float32 at the end: D + 4 bytes in place of 2 D. The error of a value is at most s / 2, evenly
spread: s / sqrt(12) in the root mean square.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

INT8 = "int8"
_TAIL = 4
_MOST = 127
_LARGEST, _SMALLEST = 65504, 2e-6  # a code of the smallest scale is 1.5 % of a step off in float16


def stored_shape(shape: Sequence[int], dtype: str) -> tuple[int, ...]:
    """The shape on disk of one frame's output (..., D)."""
    return (*shape[:-1], shape[-1] + _TAIL) if dtype == INT8 else tuple(shape)


def written(dtype: str) -> str:
    """The type in which features are handed to a store of a dtype, and come back at best."""
    return "float32" if dtype == INT8 else dtype


def on_disk(values: np.ndarray, dtype: str) -> np.ndarray:
    """What a store of a dtype keeps of features, contiguous."""
    return encode(values) if dtype == INT8 else np.ascontiguousarray(values, dtype)


def encode(values: np.ndarray) -> np.ndarray:
    """(..., D) finite floats to (..., D + 4) int8."""
    x = values.astype(np.float32, copy=False)
    scale = np.abs(x).max(-1, keepdims=True, initial=0) / np.float32(_MOST)
    codes = np.rint(x / np.where(scale > 0, scale, 1)).astype(np.int8)
    return np.concatenate([codes, np.ascontiguousarray(scale).view(np.int8)], axis=-1)


def decode(stored: np.ndarray) -> np.ndarray:
    """(..., D + 4) int8 to (..., D): float16, or float32 where that does not hold the values."""
    scale = np.ascontiguousarray(stored[..., -_TAIL:]).view(np.float32)
    values = stored[..., :-_TAIL].astype(np.float32)
    values *= scale
    some = scale[scale > 0]
    fits = not some.size or (some.max() * _MOST < _LARGEST and some.min() > _SMALLEST)
    return values.astype(np.float16) if fits else values


def error(stored: np.ndarray) -> float:
    """What rounding lost of the vectors (..., D + 4): its root mean square as a share of theirs.

    Known from the scales alone, since the error of rounding is evenly spread.
    """
    scale = np.ascontiguousarray(stored[..., -_TAIL:]).view(np.float32)[..., 0].astype(float)
    codes = stored[..., :-_TAIL].astype(float)
    power = float(np.mean((scale**2)[..., None] * codes**2))
    return float(np.sqrt(np.mean(scale**2) / 12 / power)) if power > 0 else 0.0
