"""Position embeddings for other input sizes, interpolated as the original authors' code does.

transformers interpolates to a target size; DINO and DINOv2 interpolate by a scale factor computed
from the target plus an offset of 0.1, which samples at slightly other places. A configuration that
names ``interpolate_offset`` gets the original rule (facebookresearch/dinov2,
``dinov2/models/vision_transformer.py``; facebookresearch/dino, ``vision_transformer.py``).
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def follow_the_authors(module: nn.Module, config: Any) -> None:
    """Give the module the authors' interpolation where its configuration asks for it."""
    offset = getattr(config, "interpolate_offset", None)
    if offset is None:
        return
    antialias = bool(getattr(config, "interpolate_antialias", False))
    for embeddings in module.modules():
        if hasattr(embeddings, "interpolate_pos_encoding") and hasattr(
            embeddings, "position_embeddings"
        ):
            replace_interpolation(embeddings, float(offset), antialias)


def replace_interpolation(embeddings: nn.Module, offset: float, antialias: bool) -> None:
    """Replace ``embeddings.interpolate_pos_encoding(tokens, height, width)``.

    By a method and not by a function that knows this module: a copy of the module must use, train
    and cast its own positions.
    """
    embeddings.authors_rule = offset, antialias  # type: ignore[assignment]
    embeddings.interpolate_pos_encoding = MethodType(_interpolated, embeddings)  # type: ignore[assignment]


def _interpolated(embeddings: Any, tokens: Tensor, height: int, width: int) -> Tensor:
    positions: Tensor = embeddings.position_embeddings
    patch: Any = embeddings.patch_embeddings.patch_size
    patch_h, patch_w = patch if isinstance(patch, (tuple, list)) else (patch, patch)
    rows, columns = height // patch_h, width // patch_w
    side = round((positions.shape[1] - 1) ** 0.5)
    if rows == columns == side:
        return positions
    rule = embeddings.authors_rule
    return torch.cat([positions[:, :1], interpolate(positions[:, 1:], rows, columns, *rule)], 1)


def interpolate(
    positions: Tensor, rows: int, columns: int, offset: float = 0.0, antialias: bool = False
) -> Tensor:
    """Bicubic interpolation of (1, side * side, D) to (1, rows * columns, D).

    With an ``offset`` the sampling follows the factor ``(rows + offset) / side``.
    """
    side = round(positions.shape[1] ** 0.5)
    grid = positions.unflatten(1, (side, side)).permute(0, 3, 1, 2).float()
    target: dict[str, Any] = {"size": (rows, columns)}
    if offset:
        target = {"scale_factor": ((rows + offset) / side, (columns + offset) / side)}
    out = F.interpolate(grid, mode="bicubic", antialias=antialias, **target)
    assert out.shape[-2:] == (rows, columns)
    return out.permute(0, 2, 3, 1).flatten(1, 2).to(positions.dtype)
