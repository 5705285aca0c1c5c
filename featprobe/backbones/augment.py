"""Augmentation of pictures on the device, drawn from one generator.

Nothing is augmented unless it is named. ``flip`` and ``vflip`` mirror a body: on a chest X-ray the
heart and the marker change sides, and a label that depends on the side is then wrong. ``rotate``,
``crop`` and ``erase`` can take a small finding out of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from featprobe.backbones.spec import AUGMENTATIONS
from featprobe.core.errors import UnknownName, nearest
from featprobe.images.grids import VOID

FLIP = 0.5
DEGREES = 15.0
AREA, RATIO = (0.5, 1.0), (3 / 4, 4 / 3)
FACTOR = (0.8, 1.2)
NOISE = (0.0, 0.03)
ERASE, ERASED, ERASED_RATIO = 0.25, (0.02, 0.2), (0.3, 1 / 0.3)
PARAMETERS: dict[str, dict[str, Any]] = {
    "flip": {"p": FLIP},
    "vflip": {"p": FLIP},
    "crop": {"area": list(AREA), "ratio": list(RATIO)},
    "rotate": {"degrees": [-DEGREES, DEGREES]},
    "brightness": {"factor": list(FACTOR)},
    "contrast": {"factor": list(FACTOR)},
    "noise": {"deviation": list(NOISE)},
    "erase": {"p": ERASE, "area": list(ERASED), "ratio": list(ERASED_RATIO)},
}
GEOMETRIC = frozenset({"flip", "vflip", "crop", "rotate"})


def drawn(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Name -> what is drawn for it, as JSON values; raises UnknownName.

    ``p`` is a probability, a pair the ends of a uniform draw. ``area`` is a part of the picture's,
    ``ratio`` that of the sides in parts of the picture's sides, drawn on a log scale.
    """
    wanted = set(names)
    for name in sorted(wanted - set(AUGMENTATIONS)):
        raise UnknownName(
            f"unknown augmentation {name!r}.{nearest(name, AUGMENTATIONS)} "
            f"Known: {', '.join(AUGMENTATIONS)}"
        )
    return {n: dict(PARAMETERS[n]) for n in AUGMENTATIONS if n in wanted}


def augment_both(
    x: Tensor, target: Tensor, names: Sequence[str], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Pictures as :func:`augment` has them, and their targets, on one device.

    Masks, uint8 (B, H, W) or (B, K, H, W) on any grid over the pictures, are moved with them, by
    nearest neighbour; what comes from beyond the picture is unknown (255). Targets of items
    (B,), (B, C) stay as they are. The draws are those of :func:`augment`.
    """
    wanted = drawn(names)
    matrix = None
    if GEOMETRIC & wanted.keys():
        matrix = placement(len(x), (x.shape[-2], x.shape[-1]), wanted, generator).to(x.device)
        x = warp(x, matrix)
    x = _toned(x, wanted, generator)
    if matrix is not None and target.ndim > 2:
        target = warped_labels(target, matrix)
    return x, target


def augment(x: Tensor, names: Sequence[str], generator: torch.Generator) -> Tensor:
    """Pictures (B, C, h, w), float32 in [0, 1], each changed by draws of its own.

    ``names`` of :data:`~featprobe.backbones.spec.AUGMENTATIONS`; their order does not matter:
    a picture is rotated, cropped, mirrored, then changed in brightness, contrast, noise, and
    erased. ``generator``: the CPU's, so that every device sees the same draws; the noise itself is
    drawn on the device of ``x`` under a seed from it. Returns a new tensor of the same shape, type
    and device, or ``x`` itself where nothing is named. Raises UnknownName.
    """
    return augment_both(x, x.new_empty(0), names, generator)[0]


def _toned(x: Tensor, wanted: Iterable[str], generator: torch.Generator) -> Tensor:
    """What does not move anything; ``x`` itself where nothing is named."""
    if not wanted:
        return x
    if "brightness" in wanted:
        x = brightened(x, _per_picture(FACTOR, x, generator))
    if "contrast" in wanted:
        x = contrasted(x, _per_picture(FACTOR, x, generator))
    if "noise" in wanted:
        deviation = _per_picture(NOISE, x, generator)
        seed = int(torch.randint(2**62, (), generator=generator))
        there = torch.Generator(x.device).manual_seed(seed)
        x = x + deviation * torch.randn(x.shape, generator=there, device=x.device)
    if "erase" in wanted:
        x = x * (1 - _rectangles(x, generator))
    return x.clamp(0, 1)


def placement(
    count: int, size: tuple[int, int], names: Iterable[str], generator: torch.Generator
) -> Tensor:
    """Matrices (count, 3, 3) for :func:`warp`, drawn for the geometric ones of the names.

    ``size`` (h, w) of the pictures in pixels.
    """
    wanted = set(names)
    matrix = torch.eye(3).repeat(count, 1, 1)
    if "rotate" in wanted:
        matrix = matrix @ rotation(_uniform((-DEGREES, DEGREES), count, generator), size)
    if "crop" in wanted:
        width, height = _sides(_uniform(AREA, count, generator), RATIO, generator)
        left, top = (_uniform((0, 1), count, generator) * (1 - s) for s in (width, height))
        matrix = matrix @ window(left, top, width, height)
    for name, axis in (("flip", 0), ("vflip", 1)):
        if name in wanted:
            mirrored = torch.eye(3).repeat(count, 1, 1)
            mirrored[_uniform((0, 1), count, generator) < FLIP, axis, axis] = -1
            matrix = matrix @ mirrored
    return matrix


def rotation(degrees: Tensor, size: tuple[int, int]) -> Tensor:
    """Matrices (B, 3, 3) that turn pictures of ``size`` (h, w) counter-clockwise by angles (B,)."""
    height, width = size
    cos, sin = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    matrix = torch.eye(3).repeat(len(degrees), 1, 1)
    matrix[:, 0, 0], matrix[:, 0, 1] = cos, -sin * height / width
    matrix[:, 1, 0], matrix[:, 1, 1] = sin * width / height, cos
    return matrix


def window(left: Tensor, top: Tensor, width: Tensor, height: Tensor) -> Tensor:
    """Matrices (B, 3, 3) that enlarge a window, given (B,) in parts of the sides, to all."""
    matrix = torch.eye(3).repeat(len(left), 1, 1)
    matrix[:, 0, 0], matrix[:, 0, 2] = width, 2 * left + width - 1
    matrix[:, 1, 1], matrix[:, 1, 2] = height, 2 * top + height - 1
    return matrix


def warp(x: Tensor, matrix: Tensor) -> Tensor:
    """Pictures (B, C, h, w) sampled bilinearly where matrices (B, 3, 3) take each pixel's place.

    Places are (x, y, 1) with the edges of the picture at -1 and 1. What lies outside is black;
    within, the outermost pixels reach up to the edge.
    """
    grid = F.affine_grid(matrix[:, :2], list(x.shape), align_corners=False)
    within = (grid.abs() <= 1).all(-1)[:, None]
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False) * within


def warped_labels(labels: Tensor, matrix: Tensor) -> Tensor:
    """Labels uint8 (B, H, W) or (B, K, H, W), each place that of the nearest cell where
    :func:`warp` looks; 255 for what lies outside."""
    whole = labels if labels.ndim == 4 else labels[:, None]
    grid = F.affine_grid(matrix[:, :2], list(whole.shape), align_corners=False)
    within = (grid.abs() <= 1).all(-1)[:, None]
    found = F.grid_sample(
        whole.float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    out = torch.where(within, found, torch.full_like(found, VOID)).to(torch.uint8)
    return out if labels.ndim == 4 else out[:, 0]


def brightened(x: Tensor, factor: Tensor) -> Tensor:
    """Pictures (B, C, h, w) times their factors (B, 1, 1, 1), cut to [0, 1]."""
    return (x * factor).clamp(0, 1)


def contrasted(x: Tensor, factor: Tensor) -> Tensor:
    """Pictures (B, C, h, w), their distances to their own mean times the factors, cut to [0, 1]."""
    mean = x.mean((1, 2, 3), keepdim=True)
    return (mean + (x - mean) * factor).clamp(0, 1)


def _rectangles(x: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 1, h, w): 1 in what is erased (Zhong et al. 2020, arXiv 1708.04896, filled black)."""
    count, (h, w) = len(x), x.shape[-2:]
    chosen = _uniform((0, 1), count, generator) < ERASE
    sides = _sides(_uniform(ERASED, count, generator), ERASED_RATIO, generator)
    within = []
    for side, pixels in zip(sides, (w, h)):
        start = (_uniform((0, 1), count, generator) * (1 - side))[:, None]
        at = (torch.arange(pixels) + 0.5) / pixels
        within.append((at >= start) & (at < start + side[:, None]))
    across, down = within
    box = chosen[:, None, None] & down[:, :, None] & across[:, None, :]
    return box[:, None].to(x.device, x.dtype)


def _sides(
    area: Tensor, ratio: tuple[float, float], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Width and height (B,) of rectangles, in parts of the picture's sides.

    The ratio of the two is drawn, on a log scale, from those of which both are at most 1.
    """
    low = area.log().clamp_min(math.log(ratio[0]))
    high = (-area.log()).clamp_max(math.log(ratio[1]))
    r = (low + (high - low) * _uniform((0, 1), len(area), generator)).exp()
    return (area * r).sqrt().clamp_max(1), (area / r).sqrt().clamp_max(1)


def _uniform(ends: tuple[float, float], count: int, generator: torch.Generator) -> Tensor:
    low, high = ends
    return low + (high - low) * torch.rand(count, generator=generator)


def _per_picture(ends: tuple[float, float], x: Tensor, generator: torch.Generator) -> Tensor:
    return _uniform(ends, len(x), generator).view(-1, 1, 1, 1).to(x.device, x.dtype)
