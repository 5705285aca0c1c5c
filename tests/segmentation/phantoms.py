"""Tokens of items whose masks they tell, in memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from featprobe.backbones.resizing import field_of_view
from featprobe.backbones.spec import Preprocess
from featprobe.images.decoded_image import FrameRecipe, ImageHeader
from featprobe.images.grids import FrameGrid
from featprobe.images.masks import Mask


class Phantoms:
    """Stacks of ``frames`` pictures with discs of classes 1 .. C - 1, and tokens of each patch: the
    share of every class in it, noise, and its place. ``multilabel``: discs may overlap."""

    dataset, backbone = "phantoms", "told"

    def __init__(
        self, items: int = 12, frames: int = 3, classes: int = 3, blocks: int = 2, width: int = 12,
        side: int = 32, grid: int = 8, noise: float = 0.1, seed: int = 0, multilabel: bool = False,
        each: int = 1,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)
        self.blocks, self.width, self.grid = blocks, width, (grid, grid)
        self.size = (side, side)
        self.ids = np.array([f"item-{i:02d}" for i in range(items)])
        self.groups = np.array([f"patient-{i // each:02d}" for i in range(items)])
        self.split = np.full(items, "", dtype="<U5")
        self.rows = np.arange(items)
        self._n, self._side = frames, side
        at = np.arange(side)
        k = classes if multilabel else classes - 1
        self.values, self.stored, self._images = [], [], []
        self.there = np.ones(items, bool)
        for _ in range(items):
            found = np.zeros((k, frames, side, side), bool)
            for c in range(k):
                y, x, r = rng.uniform(0.25, 0.75, 2).tolist() + [rng.uniform(0.12, 0.25)]
                disc = (at[:, None] - y * side) ** 2 + (at - x * side) ** 2 < (r * side) ** 2
                found[c] = disc
            labels = np.zeros((frames, side, side), np.uint8)
            for c in range(k):
                labels[found[c]] = c + 1
            self.values.append(found if multilabel else labels)
            one = found if multilabel else np.stack([labels == c for c in range(classes)])
            share = one.reshape(len(one), frames, grid, side // grid, grid, side // grid)
            share = share.mean((3, 5)).transpose(1, 2, 3, 0)
            tokens = rng.normal(0, noise, (frames, blocks, grid, grid, width))
            tokens[..., : len(one)] += share[:, None]
            self.stored.append(tokens.astype(np.float16))
            self._images.append((labels / classes)[:, None].astype(np.float32))
        names = tuple(f"organ{c}" for c in range(1, k + 1))
        self.masks = SimpleNamespace(
            classes=names if multilabel else ("background", *names), multilabel=multilabel,
            digest="of phantoms",
        )  # fmt: skip
        self.split_origin, self.group_origin, self.data = "none", "told", self
        key = SimpleNamespace(digest="of phantoms", to_dict=lambda: {"preprocess": {}})
        self.features = SimpleNamespace(key=key, provenance={}, left_out=[])
        header = ImageHeader((side, side, frames))
        self._grid = FrameGrid.of(header, FrameRecipe(), self._view)

    def _view(self, height: int, width: int):
        return field_of_view(height, width, Preprocess(resize=self.size, crop=None), "stretch")

    def __len__(self) -> int:
        return len(self.ids)

    def frames(self, i: int) -> int:
        return self._n

    def tokens(self, i, blocks=None, frames=None):
        found = self.stored[i][slice(None) if frames is None else frames]
        return found[:, -(blocks or self.blocks) :]

    def has_mask(self, i: int) -> bool:
        return bool(self.there[i])

    def mask(self, i: int) -> Mask:
        return Mask(self.values[i])

    def grid_of(self, i: int) -> FrameGrid:
        return self._grid

    def images(self, i, size):
        step = self._side // size[0]
        return self._images[i][:, :, ::step, ::step]
