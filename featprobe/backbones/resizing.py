"""Frames to the size and the range that a network sees, on its device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from featprobe.backbones.interpolation import interpolate
from featprobe.backbones.spec import Preprocess
from featprobe.images.grids import Line, View

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's mode L


@lru_cache(maxsize=64)
def constants(device: torch.device, values: tuple[float, ...]) -> Tensor:
    """(1, C, 1, 1) float32 on a device, made once: a card is waited for when it is made."""
    with torch.inference_mode(False):  # training reads them, too
        return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)


def fits(dtype: torch.dtype, low: float, high: float) -> bool:
    """Whether a window shows every value of an integer type as it is."""
    if dtype.is_floating_point or dtype == torch.bool or not high > low:
        return False
    return low <= torch.iinfo(dtype).min and high >= torch.iinfo(dtype).max


def cut_off(x: Tensor, low: float, high: float, own: bool = False) -> Tensor:
    """Values of a window, from black: 0 at and below ``low``, ``high - low`` at and above ``high``.

    0 where the two are equal. ``own``: in place; a film of 1024 x 1024 is 4 MB for each array that
    is not made.
    """
    if not high > low:
        return torch.zeros_like(x)
    if low or not own:
        x = x.sub_(float(low)) if own else x - float(low)
    return x.clamp_(0, float(high - low))


def as_tensor(pixels: np.ndarray) -> Tensor:
    """Pixels as torch has them, in the same memory where it can."""
    pixels = np.ascontiguousarray(pixels)
    return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())


def floats(x: Tensor) -> Tensor:
    """Values of any dtype as float32."""
    if x.dtype == torch.uint16 and x.device.type != "cpu":  # for which torch has little there
        return (x.view(torch.int16).int() & 0xFFFF).float()
    return x.float()


def shown(
    pixels: np.ndarray | Tensor, low: Any, high: Any, preprocess: Preprocess, fit: str = "stretch",
    device: Any = "cpu",
) -> Tensor:  # fmt: skip
    """Frames (F, 1 or 3, h, w) in [0, 1], as :meth:`featprobe.backbones.base.Backbone.render`."""
    given = pixels if isinstance(pixels, Tensor) else as_tensor(pixels)
    x = given.to(device)  # goes there in the file's own few bytes
    x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
    windows = list(zip(np.atleast_1d(low), np.atleast_1d(high)))
    grey = preprocess.channels == 1 and x.shape[1] == 3
    whole = len(windows) == 1 and fits(given.dtype, *windows[0])  # nothing is cut off

    def seen(rows: Tensor) -> Tensor:
        """In float32, from the black of each window to its width."""
        y = floats(rows)
        if grey:
            y = (y * constants(y.device, LUMINANCE)).sum(1, keepdim=True)
        if whole:
            return y if windows[0][0] == 0 else y.sub_(float(windows[0][0]))
        own = len(windows) == 1 and (grey or rows.dtype != torch.float32)  # not the caller's memory
        parts = [cut_off(y, *window, own) for window in windows]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    if fit == "stretch":  # what is linear follows the resize, on far fewer values
        x = scaled(resize(x, preprocess, None, seen), windows).clamp_(0, 1)
    else:
        x = place(scaled(seen(x), windows), preprocess, fit == "pad-mean")
    return crop(x, preprocess)


def scaled(x: Tensor, windows: Sequence[tuple[float, float]]) -> Tensor:
    """Frames (F, C, h, w) of what :func:`cut_off` gives, from 0 to 1, in place."""
    for channels, (low, high) in zip(x.split(x.shape[1] // len(windows), dim=1), windows):
        if high > low:
            channels.div_(float(high - low))
    return x


def place(x: Tensor, preprocess: Preprocess, mean: bool = False) -> Tensor:
    """Frames (F, C, H, W) whole in the middle of the input, the rest 0; none is enlarged.

    A frame larger than the input in either direction is shrunk to fit, its aspect kept. ``mean``:
    the rest is the mean colour of the preprocessing, for which grey frames become three channels.
    """
    height, width = preprocess.size
    ratio = min(height / x.shape[-2], width / x.shape[-1])
    if ratio < 1:
        target = max(1, round(x.shape[-2] * ratio)), max(1, round(x.shape[-1] * ratio))
        x = resize(x, replace(preprocess, resize=target, crop=None, pad=None))
    whole = replace(preprocess, crop=(height, width), pad=None)
    if not mean:
        return crop(x, whole)
    colour = constants(x.device, preprocess.mean[: preprocess.channels])
    inside = crop(torch.ones_like(x[:1, :1]), whole) > 0
    return torch.where(inside, crop(x, whole), colour)


def field_of_view(height: int, width: int, preprocess: Preprocess, fit: str = "stretch") -> View:
    """Where the pixels of the network's input lie in a frame of (height, width).

    What :func:`place` (``fit`` ``pad`` and ``pad-mean``) or :func:`resize` and :func:`crop` do, as
    two lines.
    """
    size = preprocess.size
    if fit != "stretch":
        ratio = min(size[0] / height, size[1] / width, 1.0)
        target = (height, width) if ratio == 1 else (
            max(1, round(height * ratio)), max(1, round(width * ratio))
        )  # fmt: skip
    else:
        target = resized(height, width, preprocess)
    lines = []
    for old, new, n in zip((height, width), target, size):
        scale = old / new
        padded = preprocess.pad and fit == "stretch"
        before = 0 if padded else _before(new, n, preprocess.centre)
        lines.append(Line((before + 0.5) * scale - 0.5, scale))
    return View(size, lines[0], lines[1])


def _before(size: int, wanted: int, centre: str) -> int:
    """What :func:`crop` cuts off an axis in front of what it keeps; less than 0: what it adds."""
    if size < wanted:
        return -((wanted - size) // 2)
    return round((size - wanted) / 2) if centre == "even" else (size - wanted) // 2


def resized(height: int, width: int, preprocess: Preprocess) -> tuple[int, int]:
    """The size that :func:`resize` gives a frame."""
    target = preprocess.resize
    if target is None:
        return height, width
    if isinstance(target, int) and preprocess.pad:
        scale = target / max(height, width)
        return int(height * scale + 0.5), int(width * scale + 0.5)
    if isinstance(target, int):
        short, long = min(height, width), max(height, width)
        other = int(target * long / short)  # as PIL-based processors round it
        return (target, other) if height <= width else (other, target)
    return target


def resize(
    x: Tensor, preprocess: Preprocess, limits: tuple[float, float] | None = (0.0, 1.0),
    seen: Callable[[Tensor], Tensor] = floats,
) -> Tensor:  # fmt: skip
    """Antialiased resize of ``seen(x)`` of (F, C, H, W); the result is cut to ``limits``.

    ``seen``: as of :func:`~featprobe.backbones.interpolation.interpolate`.
    """
    target = resized(x.shape[-2], x.shape[-1], preprocess)
    if x.shape[-2:] == target:
        return seen(x)
    if preprocess.interpolation == "nearest":
        return F.interpolate(seen(x), size=target, mode="nearest-exact")
    y = interpolate(x, target, preprocess.interpolation, seen)
    return y if limits is None else y.clamp_(*limits)  # bicubic overshoots


def crop(x: Tensor, preprocess: Preprocess) -> Tensor:
    """Centre crop of (F, C, H, W); a smaller frame is padded with zeros first."""
    if preprocess.crop is None:
        return x
    h, w = preprocess.crop
    missing_h, missing_w = max(0, h - x.shape[-2]), max(0, w - x.shape[-1])
    if missing_h or missing_w:
        top, left = missing_h // 2, missing_w // 2
        x = F.pad(x, (left, missing_w - left, top, missing_h - top))
    top, left = (_before(n, k, preprocess.centre) for n, k in zip(x.shape[-2:], (h, w)))
    return x[..., top : top + h, left : left + w]
