"""Quantisation of features to int8: codes of each vector, followed by its scale.

A vector x (D,) is stored as codes of ``x / s``, and s as the four bytes of a float32 at the end:
D + 4 bytes in place of 2 D. ``int8``: whole numbers, ``s = max|x| / 127``; the error of a value is
at most s / 2, evenly spread: s / sqrt(12) in the root mean square. ``float8``: the bits of
``float8_e4m3fn`` (four of exponent, three of mantissa; Micikevicius et al. 2022, arXiv 2209.05433)
as uint8, ``s = max|x| / 448``; the error grows with the value, at most a sixteenth of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

INT8, FLOAT8 = "int8", "float8"
_TYPES = {INT8: "int8", FLOAT8: "uint8"}  # on disk
_MOST = {INT8: 127.0, FLOAT8: 448.0}
_TAIL = 4
_LARGEST, _SMALLEST = 65504, 2e-6  # a code of the smallest scale is 1.5 % of a step off in float16


def is_quantised(dtype: str) -> bool:
    """Whether a dtype stands for quantised features."""
    return dtype in _TYPES


def stored_shape(shape: Sequence[int], dtype: str) -> tuple[int, ...]:
    """The shape on disk of one frame's output (..., D)."""
    return (*shape[:-1], shape[-1] + _TAIL) if is_quantised(dtype) else tuple(shape)


def stored_type(dtype: str) -> str:
    """The name of the type of the numbers on disk, as numpy has it."""
    return _TYPES.get(dtype, dtype)


def written(dtype: str) -> str:
    """The type in which features are handed to a store of a dtype, and come back at best."""
    return "float32" if is_quantised(dtype) else dtype


def on_disk(values: np.ndarray, dtype: str) -> np.ndarray:
    """What a store of a dtype keeps of features, contiguous."""
    return encode(values, dtype) if is_quantised(dtype) else np.ascontiguousarray(values, dtype)


def encode(values: np.ndarray, dtype: str = INT8) -> np.ndarray:
    """Quantise (..., D) finite floats to codes (..., D + 4)."""
    x = values.astype(np.float32, copy=False)
    scale = np.abs(x).max(-1, keepdims=True, initial=0) / np.float32(_MOST[dtype])
    x = np.divide(x, np.where(scale > 0, scale, np.float32(1)), dtype=np.float32)
    codes = np.rint(x).astype(np.int8) if dtype == INT8 else _float8(x)
    return np.concatenate([codes, np.ascontiguousarray(scale).view(codes.dtype)], axis=-1)


def decode(stored: np.ndarray) -> np.ndarray:
    """Restore (..., D) from codes (..., D + 4): float16, or float32 beyond its range."""
    scale, codes = _parts(stored)
    values = codes.astype(np.float32) if stored.dtype == np.int8 else _table()[codes]
    values *= scale[..., None]
    some = scale[scale > 0]
    fits = not some.size or (some.max() * _most(stored) < _LARGEST and some.min() > _SMALLEST)
    return values.astype(np.float16) if fits else values


def error(stored: np.ndarray) -> float:
    """Relative root mean square error of quantised vectors (..., D + 4).

    Known from the codes and scales alone, since the error of rounding is evenly spread in a step.
    """
    scale, codes = _parts(stored)
    values = codes.astype(float) if stored.dtype == np.int8 else _table()[codes].astype(float)
    steps = np.ones(1) if stored.dtype == np.int8 else _steps(values)
    square = np.square(scale.astype(float))[..., None]
    power = float(np.mean(square * np.square(values)))
    lost = float(np.mean(square * np.square(steps))) / 12
    return float(np.sqrt(lost / power)) if power > 0 else 0.0


def _parts(stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales (...) and codes (..., D)."""
    scale = np.ascontiguousarray(stored[..., -_TAIL:]).view(np.float32)[..., 0]
    return scale, stored[..., :-_TAIL]


def _most(stored: np.ndarray) -> float:
    return _MOST[INT8 if stored.dtype == np.int8 else FLOAT8]


def _float8(x: np.ndarray) -> np.ndarray:
    """The nearest codes, uint8, of values of at most 448."""
    import torch

    codes = torch.from_numpy(np.ascontiguousarray(x)).to(torch.float8_e4m3fn).view(torch.uint8)
    return np.asarray(codes.numpy())


@cache
def _table() -> np.ndarray:
    """(256,) float32: the value of each code; NaN of the two that are none."""
    code = np.arange(256)
    exponent, mantissa = (code >> 3) & 15, code & 7
    value = np.where(exponent > 0, (8 + mantissa) * 2.0 ** (exponent - 10), mantissa * 2.0**-9)
    value[(code & 127) == 127] = np.nan
    return np.where(code > 127, -value, value).astype(np.float32)


def _steps(values: np.ndarray) -> np.ndarray:
    """From each value of a code to the next."""
    return 2.0 ** (np.floor(np.log2(np.maximum(np.abs(values), 2.0**-6))) - 3)
