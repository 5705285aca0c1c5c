"""Patches of training items with what their masks say, for decoders that are solved at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featprobe.core.errors import InputError
from featprobe.images.grids import VOID
from featprobe.segmentation.decoders.base import Decoder
from featprobe.segmentation.items import MaskedItems


@dataclass(frozen=True)
class Patches:
    """``x`` (N, L D) float32 tokens; ``labels`` (N, a, b) or (N, K, a, b) uint8: the cells of the
    mask that each covers, 255 where not known; ``weight`` (N,): how many patches each stands for;
    ``of``: how many there were."""

    x: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    of: int


def gather(items: MaskedItems, decoder: Decoder, rows: np.ndarray, most: int, seed: int) -> Patches:
    """At most ``most`` patches of these items, as many of each piece as is its share.

    Half are of patches that hold some foreground, as far as there are enough, the others are drawn
    of all; one item is in memory at a time. Raises :class:`InputError` where there are none.
    """
    pieces = items.pieces(rows)
    h, w = items.tokens.grid
    whole = sum(p.stop - p.start for p in pieces) * h * w
    rng = np.random.default_rng([seed, 0x9A7C])
    found, labels, weights = [], [], []
    for piece in pieces:
        y = cells_of(items.target(*piece), h, w)
        known = (y != VOID).reshape(len(y), -1).any(1)
        inside = ((y != 0) & (y != VOID)).reshape(len(y), -1).any(1)
        share = most * len(y) / whole
        wanted = int(share) + (rng.random() < share % 1)
        chosen = _drawn(inside, known, wanted, rng)
        if not len(chosen):
            continue
        tokens, _ = items.read(piece, decoder)
        f, blocks, _, _, d = tokens.shape
        flat = tokens.transpose(0, 2, 3, 1, 4).reshape(f * h * w, blocks * d)
        found.append(flat[chosen].astype(np.float32))
        labels.append(y[chosen])
        weights.append(_weights(inside & known, known, chosen))
    if not found:
        raise InputError(f"{items.tokens.dataset}: no patch of the training items is known")
    return Patches(np.concatenate(found), np.concatenate(labels), np.concatenate(weights), whole)


def _drawn(
    inside: np.ndarray, known: np.ndarray, wanted: int, rng: np.random.Generator
) -> np.ndarray:
    some = np.flatnonzero(inside)
    some = rng.permutation(some)[: wanted // 2]
    rest = np.setdiff1d(np.flatnonzero(known), some)
    rest = rng.permutation(rest)[: wanted - len(some)]
    return np.sort(np.r_[some, rest])


def _weights(inside: np.ndarray, known: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How many known patches of its kind, with or without foreground, each stands for."""
    out = np.empty(len(chosen))
    for kind in (inside, known & ~inside):
        drawn = kind[chosen]
        out[drawn] = kind.sum() / max(1, drawn.sum())
    return out


def cells_of(y: np.ndarray, h: int, w: int) -> np.ndarray:
    """(f h w, a, b) or (f h w, K, a, b): the cells of each patch, of labels on a grid that the
    grid of patches divides, else of labels at the nearest such grid."""
    lead = y.shape[1:-2]
    a, b = max(1, y.shape[-2] // h), max(1, y.shape[-1] // w)
    if (a * h, b * w) != y.shape[-2:]:
        down = ((np.arange(a * h) + 0.5) * y.shape[-2] / (a * h)).astype(int)
        across = ((np.arange(b * w) + 0.5) * y.shape[-1] / (b * w)).astype(int)
        y = y[..., down[:, None], across]
    cells = y.reshape(len(y), *lead, h, a, w, b)
    n = len(lead)
    order = (0, 1 + n, 3 + n, *range(1, 1 + n), 2 + n, 4 + n)
    return cells.transpose(order).reshape(-1, *lead, a, b)
