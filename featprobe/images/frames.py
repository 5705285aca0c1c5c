"""From decoded volumes and stacks to the frames of a recipe, and their number from the header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, UnreadableItem
from featprobe.images.decoded_image import (
    DecodedImage,
    FrameRecipe,
    ImageHeader,
    Volume,
    frame_rule,
)
from featprobe.images.volume import (
    as_frames,
    choose_plane,
    frame_count,
    oblique,
    resample,
    resampled_grid,
)

_EVERY = ("axial", "coronal", "sagittal")


def count(extent: ImageHeader, recipe: FrameRecipe) -> int:
    """Frames that :func:`cut` or :func:`choose` will return. Not for ``frames="foreground"``."""
    shape, affine = extent.shape, extent.affine
    if affine is None:
        _no_spacing(recipe)
        return len(picks(shape[2], recipe.frames))
    if recipe.spacing is not None:
        shape, affine = resampled_grid(shape, affine, recipe.spacing)
    planes = _planes(affine, recipe.plane)
    return sum(len(picks(frame_count(shape, affine, p), recipe.frames)) for p in planes)


def cut(volume: Volume, recipe: FrameRecipe) -> DecodedImage:
    """Resample, cut along the recipe's plane, choose frames.

    Frames of ``plane="all"`` are padded at the right and the bottom with the lowest value to one
    size, and share no affine.
    """
    notes = volume.notes + oblique(volume.affine)
    pixels, affine = volume.pixels, volume.affine
    if recipe.spacing is not None:
        pixels, affine = _resampled(pixels, affine, recipe.spacing, volume.padding)
    about: dict[str, Any] = {
        "window": volume.window, "notes": notes, "display": volume.display,
        "padding": volume.padding, "facts": volume.facts,
    }  # fmt: skip
    images = []
    for plane in _planes(affine, recipe.plane):
        frames, frame_affine = as_frames(pixels, affine, plane)
        images.append(choose(DecodedImage(frames, affine=frame_affine, **about), recipe))
    first = images[0]
    if len(images) == 1:
        return first
    height, width = (max(p.pixels.shape[axis] for p in images) for axis in (1, 2))
    low = pixels.min()
    return DecodedImage(
        np.concatenate([_padded(p.pixels, height, width, low) for p in images]),
        **about,
        whole=first.pixels if first.whole is None else first.whole,
    )


def choose(image: DecodedImage, recipe: FrameRecipe) -> DecodedImage:
    """Keep the recipe's frames of a stack; with ``neighbours``, join each with those beside it.

    Neighbours are those in the whole stack; the first and the last frame stand in for what is
    missing beyond them, so a single grey frame stands thrice. A single colour image stays.
    """
    if image.affine is None:
        _no_spacing(recipe)
    stack = image.pixels
    n = len(stack)
    index = (
        foreground(stack, image.padding)
        if recipe.frames == "foreground"
        else picks(n, recipe.frames)
    )
    join = recipe.channels == "neighbours" and (n > 1 or stack.ndim == 3)
    if not join and len(index) == n:
        return image
    if not join:
        return replace(image, pixels=stack[index], index=index, whole=stack)
    if stack.ndim == 4:
        raise UnreadableItem("channels 'neighbours' joins grey frames; these are in colour")
    beside = np.clip(index[:, None] + np.array([-1, 0, 1]), 0, n - 1)
    pixels = np.ascontiguousarray(np.moveaxis(stack[beside], 1, -1))
    return replace(image, pixels=pixels, index=index, whole=stack)


def picks(n: int, rule: str) -> np.ndarray:
    """Indices of the frames that a rule keeps of n, rising; they lie symmetrically in the stack.

    ``n=k``: the middle ones of k equal parts (all where n <= k). ``stride=s``: every s-th.
    """
    name, number = frame_rule(rule)
    if name == "stride":
        return np.arange((n - 1) % number // 2, n, number)
    if name == "n" and number < n:
        return ((2 * np.arange(number) + 1) * n - 1) // (2 * number)
    if name == "foreground":
        raise InputError("frames 'foreground' are known only after decoding")
    return np.arange(n)


def foreground(stack: np.ndarray, padding: float | None = None) -> np.ndarray:
    """Indices of the frames (F, H, W[, 3]) that show something.

    A pixel is foreground above Otsu's threshold of the item's values (between-class variance,
    Otsu 1979; 256 bins from the 0.5th to the 99.5th percentile); a frame is kept when it has at
    least a tenth of the foreground pixels of the frame that has most. All are kept of a constant
    item. Values at ``padding`` or below are as dark as the darkest anatomy.
    """
    grey = stack.mean(-1) if stack.ndim == 4 else stack
    if padding is not None and (grey > padding).any():
        grey = np.maximum(grey, grey[grey > padding].min())
    low, high = np.percentile(grey, (0.5, 99.5))
    if low >= high:
        return np.arange(len(grey))
    counts, edges = np.histogram(grey, 256, (float(low), float(high)))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    moment = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (moment / below - (moment[-1] - moment) / above) ** 2
    threshold = edges[1 + int(np.nanargmax(np.where(above > 0, between, -1.0)))]
    pixels = (grey > threshold).reshape(len(grey), -1).sum(1)
    return np.flatnonzero(pixels * 10 >= pixels.max())


def _resampled(
    pixels: np.ndarray, affine: np.ndarray, spacing: Sequence[float], padding: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`resample`, without padding bleeding into the anatomy beside it."""
    if padding is None or not (pixels > padding).any():
        return resample(pixels, affine, spacing)
    outside = pixels <= padding
    filled = np.where(outside, pixels[~outside].min(), pixels)
    out, new_affine = resample(filled, affine, spacing)
    share, _ = resample(outside.astype(np.float32), affine, spacing)
    return np.where(share > 0.5, pixels.min(), out).astype(out.dtype), new_affine


def _planes(affine: np.ndarray, plane: str) -> tuple[str, ...]:
    return _EVERY if plane == "all" else (choose_plane(affine, plane),)


def _padded(frames: np.ndarray, height: int, width: int, value: float) -> np.ndarray:
    room = [(0, 0), (0, height - frames.shape[1]), (0, width - frames.shape[2])]
    return np.pad(frames, room + [(0, 0)] * (frames.ndim - 3), constant_values=value)


def _no_spacing(recipe: FrameRecipe) -> None:
    if recipe.spacing is not None:
        raise UnreadableItem(
            "it has no voxel spacing (an image, or frames without positions), so it cannot be "
            "resampled; leave out the spacing option"
        )
