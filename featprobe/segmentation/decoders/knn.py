"""Labels handed over by the nearest patches of the training items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from featprobe.core.errors import InputError
from featprobe.images.grids import VOID
from featprobe.neighbours.search import Bank, Search
from featprobe.segmentation.decoders.base import Decoder, Shape, joined
from featprobe.segmentation.fitted import Fitted, Solved, weighed
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.patches import gather
from featprobe.segmentation.upsampling import upsampled


@dataclass(frozen=True)
class KNNDecoder(Solved):
    """Each patch takes the mean of what the masks show in its ``k`` nearest training patches.

    A neighbour hands over all cells of the answer that it covers, weighted by
    exp(similarity / ``temperature``); the labels of Balazevic et al. 2023 (Hummingbird), in which
    it is one attention. ``bank``: patches kept, at most. ``k``: val chooses, and also what the
    share of ``background``, or of what is not of a label, is multiplied with, because the most
    probable class is not the decision with the best Dice.
    """

    name: ClassVar[str] = "knn"
    k: tuple[int, ...] = (5, 20, 50)
    background: tuple[float, ...] = (1.0, 0.5, 0.35, 0.25, 0.15, 0.1)
    bank: int = 20_000
    temperature: float = 0.07
    metric: Literal["cosine", "l2"] = "cosine"
    blocks: int = 1

    def check(self) -> None:
        if not self.background or min(self.background) <= 0:
            raise InputError("background of decoder knn must be positive")
        if not self.k or min(self.k) < 1 or self.bank < 1 or self.blocks < 1:
            raise InputError("k, bank and blocks of decoder knn must be at least 1")
        if self.temperature <= 0:
            raise InputError(f"temperature {self.temperature} must be positive")

    def fit(self, items: MaskedItems, rows: np.ndarray, seed: int) -> Neighbours:
        found = gather(items, self, rows, self.bank, seed)
        k = len(items.classes)
        y = found.labels
        which = y == 1 if items.multilabel else y[:, None] == np.arange(k)[:, None, None]
        known = (y != VOID) if items.multilabel else (y != VOID)[:, None]
        shown = np.where(known, which, 1 / k if not items.multilabel else 0.5)
        weight = (found.weight / found.weight.mean()).astype(np.float32)
        return Neighbours(
            self, found.x, shown.astype(np.float16), weight, list(self.k),
            list(self.background), items.multilabel,
        )  # fmt: skip

    def restored(
        self, shape: Shape, arrays: dict[str, np.ndarray], candidate: dict[str, Any],
        multilabel: bool,
    ) -> Neighbours:  # fmt: skip
        return Neighbours(
            self, arrays["x"], arrays["shown"], arrays["counts"], [candidate["k"]],
            [candidate["background"]], multilabel,
        )  # fmt: skip


@dataclass
class Neighbours(Fitted):
    """``x`` (N, D) tokens, ``shown`` (N, K, a, b) what the masks show in each, ``counts`` (N,) of
    how many patches each stands for."""

    decoder: Decoder
    x: np.ndarray
    shown: np.ndarray
    counts: np.ndarray
    ks: list[int]
    background: list[float]
    multilabel: bool

    def __post_init__(self) -> None:
        assert isinstance(self.decoder, KNNDecoder)
        self._bank = Bank(self.x, Search(metric=self.decoder.metric, device="cpu"))
        self._temperature = self.decoder.temperature
        self.candidates = [{"k": k, "background": b} for k in self.ks for b in self.background]
        self.notes: list[str] = []

    def probabilities(
        self, tokens: Tensor, image: Tensor | None, size: tuple[int, int], depth: np.ndarray
    ) -> Tensor:
        x = joined(tokens)
        f, h, w, d = x.shape
        n, k, a, b = self.shown.shape
        queries = x.reshape(-1, d).numpy()
        most = min(max(self.ks), n)
        near, rows = self._bank.search(queries, most)
        if isinstance(self.decoder, KNNDecoder) and self.decoder.metric == "l2":
            near = near / max(1e-12, float(-near.mean()))
        weight = np.exp((near - near[:, :1]) / self._temperature) * self.counts[rows]
        out = np.empty((len(self.ks), len(queries), k * a * b), np.float32)
        flat = self.shown.reshape(n, -1)
        for start in range(0, len(queries), 2048):
            part = slice(start, start + 2048)
            handed = flat[rows[part]].astype(np.float32)
            for g, ks in enumerate(self.ks):
                share = weight[part, :ks] / weight[part, :ks].sum(1, keepdims=True)
                out[g, part] = np.einsum("nk,nkc->nc", share, handed[:, :ks], optimize=True)
        cells = out.reshape(len(self.ks), f, h, w, k, a, b).transpose(0, 1, 4, 2, 5, 3, 6)
        grid = cells.reshape(len(self.ks), f, k, h * a, w * b)
        p = upsampled(torch.from_numpy(grid), size)
        return torch.stack([
            weighed(one, factor, self.multilabel) for one in p for factor in self.background
        ])  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        return {"x": self.x, "shown": self.shown, "counts": self.counts}

    def only(self, candidate: int) -> Neighbours:
        k, b = divmod(candidate, len(self.background))
        return Neighbours(
            self.decoder,
            self.x,
            self.shown,
            self.counts,
            [self.ks[k]],
            [self.background[b]],
            self.multilabel,
        )


DECODER = KNNDecoder
