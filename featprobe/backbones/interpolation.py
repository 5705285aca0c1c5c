"""Antialiased resizing of images: on a CPU as products with bands of weights, elsewhere torch's.

A resize is linear and separable, so each axis is a matrix of weights, zero but for a band along its
diagonal. Blocks of a few output rows take the input rows under their band, which stay in the cache
of the core while they are converted, windowed and multiplied. The weights are those of
``torch.nn.functional.interpolate(antialias=True)`` and of Pillow (``ImagingResample``): the kernel
is widened by the scale where an image is shrunk, cut off at the borders and normalised to 1.
Bicubic is Keys' kernel with a = -0.5 (IEEE Trans. ASSP 29, 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SPAN = 96  # input rows of a block beside its borders: at 1024 to 112 pixels half a megabyte
CACHED = 1 << 16  # values of several small frames that are resized together


class Band(NamedTuple):
    """Weights (n, k) float32 of ``n`` neighbouring outputs on ``k`` neighbouring inputs."""

    outputs: slice
    inputs: slice
    weights: Tensor


def triangle(x: np.ndarray) -> np.ndarray:
    """The kernel of bilinear interpolation, which reaches to 1."""
    return np.clip(1 - np.abs(x), 0, None)


def keys(x: np.ndarray) -> np.ndarray:
    """The kernel of bicubic interpolation, which reaches to 2; a = -0.5."""
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


KERNELS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "bilinear": (triangle, 1.0), "bicubic": (keys, 2.0)
}  # fmt: skip


@lru_cache(maxsize=32)  # at most some 300 kB each, of images of 4096 pixels
def bands(old: int, new: int, mode: str) -> tuple[Band, ...]:
    """What takes an axis of ``old`` values to ``new``, in blocks, first to last."""
    kernel, reach = KERNELS[mode]
    scale = old / new
    wide = max(scale, 1.0)
    found = []
    step = max(4, round(SPAN / scale))
    for start in range(0, new, step):
        centre = (np.arange(start, min(start + step, new)) + 0.5) * scale
        first = np.maximum((centre - reach * wide + 0.5).astype(int), 0)
        end = np.minimum((centre + reach * wide + 0.5).astype(int), old)
        at = np.arange(first[0], end[-1])
        weights = kernel((at + 0.5 - centre[:, None]) / wide)
        weights[(at < first[:, None]) | (at >= end[:, None])] = 0
        weights /= weights.sum(1, keepdims=True)
        with torch.inference_mode(False):  # kept, and read in training, too
            kept = torch.from_numpy(weights.astype(np.float32))
        outputs = slice(start, start + len(centre))
        found.append(Band(outputs, slice(int(first[0]), int(end[-1])), kept))
    return tuple(found)


def interpolate(
    x: Tensor, size: tuple[int, int], mode: str, seen: Callable[[Tensor], Tensor]
) -> Tensor:
    """``seen(x)`` of (F, C, H, W) resized to (F, C', h, w) with antialiasing, float32.

    ``mode``: bilinear or bicubic. ``seen``: takes rows of ``x`` to float32, value by value, such
    as a window; rows are asked for in blocks, some twice. What comes is not cut to any limits.
    """
    if x.device.type != "cpu":
        return F.interpolate(seen(x), size, mode=mode, antialias=True, align_corners=False)
    values = x.shape[1] * min(x.shape[-2], 2 * SPAN) * x.shape[-1]  # of a block of one frame
    step = max(1, CACHED // values)
    parts = [_products(part, size, mode, seen) for part in x.split(step)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _products(
    x: Tensor, size: tuple[int, int], mode: str, seen: Callable[[Tensor], Tensor]
) -> Tensor:
    (height, width), (h, w), frames = x.shape[-2:], size, len(x)
    rows, channels = None, 1
    for outputs, inputs, weights in bands(height, h, mode):
        part = seen(x[:, :, inputs])
        channels = part.shape[1]
        # one product of two matrices; of one frame in the order of its file nothing is moved
        part = part.permute(2, 0, 3, 1).reshape(part.shape[2], -1)
        if rows is None:
            rows = part.new_empty(h, part.shape[1])
        torch.mm(weights, part, out=rows[outputs])
    assert rows is not None
    lines = rows.view(h, frames, width, channels).permute(1, 3, 0, 2).reshape(-1, width)
    out = lines.new_empty(len(lines), w)
    for outputs, inputs, weights in bands(width, w, mode):
        torch.mm(lines[:, inputs], weights.T, out=out[:, outputs])
    return out.view(frames, channels, h, w)
