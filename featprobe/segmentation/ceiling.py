"""What the grid itself allows: masks brought to it and back, as a decoder's answers are."""

from __future__ import annotations

import numpy as np
import torch

from featprobe.images.grids import VOID
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.patches import cells_of
from featprobe.segmentation.scores import mask_scores
from featprobe.segmentation.upsampling import upsampled

MOST = 16  # items that are looked at
FACTORS = (1.0, 0.5, 0.25)  # of background, of which the best is taken, as decoders let val choose


def ceiling(items: MaskedItems, rows: np.ndarray) -> dict[str, float]:
    """Mean Dice of the true masks after a way to a grid over the network's input and back.

    ``patches``: of the tokens, each with the share of every class in it, bilinear above, as the
    answer of a linear decoder that knew all; ``cells``: of :attr:`MaskedItems.size`, on which finer
    decoders answer, each with one class. Mean over items, then over classes without background, of
    at most :data:`MOST` items, evenly spaced over ``rows``; NaN where no item has a class.
    """
    at = np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).round().astype(int))
    chosen = tuple(int(rows[k]) for k in at)
    if chosen not in items.ceilings:
        items.ceilings[chosen] = _measured(items, chosen)
    return items.ceilings[chosen]


def _measured(items: MaskedItems, rows: tuple[int, ...]) -> dict[str, float]:
    factors = FACTORS[:1] if items.multilabel else FACTORS
    patches: list[list[np.ndarray]] = [[] for _ in factors]
    cells: list[np.ndarray] = []
    for i in rows:
        truth = items.tokens.mask(i)
        grid = items.tokens.grid_of(i)
        known = _one_hot(items, items.target(i))
        for p, into in ((_shares(known, items), patches), (known, [cells])):
            voxels = grid.to_voxels(p, items.multilabel)
            for factor, found in zip(factors, into):
                said = voxels >= 0.5
                if not items.multilabel:
                    voxels[0] *= factor
                    said = voxels.argmax(0).astype(np.uint8)
                    voxels[0] /= factor
                scored = mask_scores(said, truth.values, None, len(items.classes), surfaces=False)
                found.append(scored[:, 0])
    return {"patches": max(map(_mean, patches)), "cells": _mean(cells)}


def _one_hot(items: MaskedItems, y: np.ndarray) -> np.ndarray:
    """(F, K, H, W) float32 of labels; void is background, or no label."""
    if items.multilabel:
        return (y == 1).astype(np.float32)
    y = np.where(y == VOID, 0, y)
    return (y[:, None] == np.arange(len(items.classes))[:, None, None]).astype(np.float32)


def _shares(known: np.ndarray, items: MaskedItems) -> np.ndarray:
    """The mean in each patch, bilinear on the grid of the answer."""
    h, w = items.tokens.grid
    f, k = known.shape[:2]
    share = cells_of(known, h, w).mean((2, 3)).reshape(f, h, w, k).transpose(0, 3, 1, 2)
    return upsampled(torch.from_numpy(np.ascontiguousarray(share))[None], items.size)[0].numpy()


def _mean(dice: list[np.ndarray]) -> float:
    found = np.stack(dice)
    known = ~np.isnan(found)
    some = known.any(0)
    if not some.any():
        return float("nan")
    return float((np.where(known, found, 0).sum(0)[some] / known.sum(0)[some]).mean())
