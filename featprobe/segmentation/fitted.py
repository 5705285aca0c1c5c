"""Fitted decoders: probabilities of pixels, of frames as of whole items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from featprobe.images.grids import VOID
from featprobe.segmentation.decoders.base import Decoder, Network, Shape
from featprobe.segmentation.items import MaskedItems, Piece
from featprobe.segmentation.upsampling import upsampled


class Fitted(ABC):
    """What a decoder became, with each of several candidates.

    ``candidates``: the settings among which val chooses, by name, in order; ``notes``: what a
    reader of results should know.
    """

    decoder: Decoder
    candidates: list[dict[str, Any]]
    notes: list[str]

    @abstractmethod
    def probabilities(
        self, tokens: Tensor, image: Tensor | None, size: tuple[int, int], depth: np.ndarray
    ) -> Tensor:
        """(G, f, K, H, W) of each candidate for frames: tokens (f, L, h, w, D) float32; ``depth``
        (f,): how far in the item each is, from 0 to 1."""

    @abstractmethod
    def only(self, candidate: int) -> Fitted:
        """One of the candidates alone."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """What a file keeps of the only candidate."""


@dataclass(frozen=True)
class Solved(Decoder):
    """A decoder that is fitted at once to patches of the training items."""

    trained: ClassVar[bool] = False

    def fit(self, items: MaskedItems, rows: np.ndarray, seed: int) -> Fitted:
        """Fit every candidate to the patches of these items."""
        raise NotImplementedError

    def restored(
        self, shape: Shape, arrays: dict[str, np.ndarray], candidate: dict[str, Any],
        multilabel: bool,
    ) -> Fitted:  # fmt: skip
        """The candidate whose ``arrays`` a file kept."""
        raise NotImplementedError


@dataclass
class Networks(Fitted):
    """Trained networks of one kind."""

    decoder: Decoder
    networks: list[Network]
    candidates: list[dict[str, Any]]
    multilabel: bool
    notes: list[str]

    @property
    def diverged(self) -> np.ndarray:
        """(G,) networks with a weight that is no number."""
        return np.array([
            not all(bool(p.isfinite().all()) for p in n.state_dict().values())
            for n in self.networks
        ])  # fmt: skip

    @torch.inference_mode()
    def probabilities(
        self, tokens: Tensor, image: Tensor | None, size: tuple[int, int], depth: np.ndarray
    ) -> Tensor:
        device = next(self.networks[0].parameters()).device
        seen = None if image is None else image.to(device)
        kind = type(self.networks[0])
        logits = upsampled(kind.together(self.networks, tokens.to(device), seen), size)
        return (logits.sigmoid() if self.multilabel else logits.softmax(2)).cpu()

    def arrays(self) -> dict[str, np.ndarray]:
        return {k: v.cpu().numpy() for k, v in self.networks[0].state_dict().items()}

    def only(self, candidate: int) -> Networks:
        one = [self.networks[candidate]], [self.candidates[candidate]]
        return Networks(self.decoder, *one, self.multilabel, self.notes)


def weighed(p: Tensor, background: float, multilabel: bool) -> Tensor:
    """Probabilities (f, K, H, W) whose share of background, or odds of what is not of a label, were
    multiplied with ``background``."""
    if background == 1:
        return p
    if multilabel:
        return p / (p + background * (1 - p)).clamp_min(1e-12)
    scale = torch.ones(p.shape[1])
    scale[0] = background
    p = p * scale[:, None, None]
    return p / p.sum(1, keepdim=True).clamp_min(1e-12)


def of_piece(fitted: Fitted, items: MaskedItems, piece: Piece) -> Tensor:
    """Probabilities (G, f, K, H, W) of the frames of a piece."""
    tokens, image = items.read(piece, fitted.decoder)
    seen = None if image is None else torch.from_numpy(image).float()
    depth = depths(piece.start, piece.stop, items.frames(piece.item))
    return fitted.probabilities(torch.from_numpy(tokens).float(), seen, items.size, depth)


def depths(start: int, stop: int, frames: int) -> np.ndarray:
    """(stop - start,) how far in an item of so many frames the middle of each is."""
    return (np.arange(start, stop) + 0.5) / frames


def of_item(fitted: Fitted, items: MaskedItems, i: int) -> np.ndarray:
    """Probabilities (F, K, H, W) float32 of all frames of item i by the only candidate."""
    found = [of_piece(fitted, items, p)[0].numpy() for p in items.pieces([i])]
    return np.concatenate(found).astype(np.float32)


def decided(p: np.ndarray, multilabel: bool) -> np.ndarray:
    """Labels (...) of probabilities (K, ...), of multi-label masks bool (K, ...)."""
    if multilabel:
        return p >= 0.5
    return p.argmax(0).astype(np.uint8)


def segmented(fitted: Fitted, items: MaskedItems, i: int) -> np.ndarray:
    """What is said of item i in its own voxels: labels (X, Y, Z), or bool (K, X, Y, Z)."""
    voxels = items.tokens.grid_of(i).to_voxels(of_item(fitted, items, i), items.multilabel)
    return decided(voxels, items.multilabel)


@dataclass(frozen=True)
class OnVal:
    """How candidates do on val, on the grid of the answer: ``dice`` (G,) the mean over items, then
    classes; ``loss`` (G,) cross-entropy, the mean over pixels."""

    dice: np.ndarray
    loss: np.ndarray

    def best(self, by: str) -> int:
        """The candidate with the largest Dice (``dice``), or the least loss (``log_loss``); of
        equal ones the first. What is no number is worse than all others."""
        worth = self.dice if by == "dice" else -self.loss
        worth = np.where(np.isfinite(self.loss) & ~np.isnan(worth), worth, -np.inf)
        return int(np.round(worth, 6).argmax())


def look(fitted: Fitted, items: MaskedItems, rows: Sequence[int] | np.ndarray) -> OnVal:
    """Score every candidate on items, a piece at a time.

    A class that neither an item nor an answer has is left out of its means, as in
    :func:`~featprobe.segmentation.scores.mask_scores`.
    """
    g, k = len(fitted.candidates), len(items.classes)
    dice = np.full((len(rows), g, k), np.nan)
    loss, pixels = np.zeros(g), 0
    for n, i in enumerate(rows):
        both, predicted, true = (np.zeros((g, k)) for _ in range(3))
        for piece in items.pieces([int(i)]):
            p = of_piece(fitted, items, piece)
            y = torch.from_numpy(items.target(*piece))
            known = (y != VOID) if items.multilabel else (y != VOID)[:, None]
            truth = (y == 1) if items.multilabel else y[:, None] == torch.arange(k)[:, None, None]
            truth = truth & known
            chosen = p >= 0.5
            if not items.multilabel:
                chosen = torch.zeros_like(chosen).scatter_(2, p.argmax(2, keepdim=True), True)
            chosen = chosen & known
            axes = (1, 3, 4)
            both += (chosen & truth).sum(axes).numpy()
            predicted += chosen.sum(axes).numpy()
            true += truth.sum((0, 2, 3)).numpy()
            right = torch.where(truth, p, 1 - p) if items.multilabel else p
            counted = known if items.multilabel else truth
            loss -= (right.clamp_min(1e-12).log() * counted).flatten(1).sum(1).double().numpy()
            pixels += int(counted.sum())
        some = predicted + true > 0
        dice[n] = np.where(some, 2 * both / np.where(some, predicted + true, 1), np.nan)
    kept = dice if items.multilabel else dice[:, :, 1:]
    defined = ~np.isnan(kept)
    by_class = np.nansum(kept, 0) / np.maximum(defined.sum(0), 1)
    by_class = np.where(defined.sum(0) > 0, by_class, np.nan)
    there = ~np.isnan(by_class)
    mean = np.nansum(by_class, 1) / np.maximum(there.sum(1), 1)
    return OnVal(np.where(there.any(1), mean, np.nan), loss / max(1, pixels))
