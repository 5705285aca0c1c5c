"""Stored patch tokens beside the masks of their items, one item in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from featprobe.backbones.spec import Preprocess
from featprobe.core import paths as settings
from featprobe.core.display import Displayable
from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.features.feature_set import FeatureSet
from featprobe.features.pictures import pictures
from featprobe.features.with_masks import WithMasks
from featprobe.images.decoded_image import FrameRecipe
from featprobe.store.base import FeatureStore
from featprobe.store.cache import find
from featprobe.store.quantised import error, is_quantised, stored_shape, stored_type

TOKENS = "tokens"


class TokenSet(Displayable, WithMasks):
    """The tokens of a complete store, by item, with the data set whose images they are of.

    ``ids``, ``groups``, ``split`` (N,) text, one row an item of which all frames were extracted;
    ``rows`` (N,) the item of each in the data set; ``blocks`` L, ``grid`` (h, w), ``width`` D of
    the tokens; ``size`` (h, w) of the network's input in pixels; ``features``: the
    :class:`~featprobe.features.feature_set.FeatureSet` of the store. Nothing is kept in memory
    but the item that was asked for.
    """

    def __init__(self, features: FeatureSet, data: Dataset) -> None:
        """Raises :class:`InputError` where the store has no tokens, or is of another data set."""
        where = f"{features.dataset} / {features.backbone}"
        if TOKENS not in features.store.layout.arrays:
            raise InputError(
                f"{where} has no tokens: extract them with 'featprobe extract --features tokens'"
            )
        if features.items.ids.tolist() != data.ids.tolist():
            raise InputError(f"{where}: the items of the store are not those of {data.name}")
        if features.key.recipe != data.recipe.to_dict():
            odd = _differing(features.key.recipe, data.recipe)
            raise InputError(
                f"{where}: its frames were made with another {odd}; give the data set the same"
            )
        self.features, self.data = features, data
        self.dataset, self.backbone = features.dataset, features.backbone
        self.ids, self.groups, self.split = features.ids, features.groups, features.split
        self.rows = features.rows
        self.blocks, *grid, self.width = features.store.layout.arrays[TOKENS]
        self.grid: tuple[int, int] = (grid[0], grid[1])
        self.preprocess = Preprocess.from_dict(features.key.preprocess)

    def __len__(self) -> int:
        return len(self.rows)

    def facts(self) -> tuple[Sequence[str], dict[str, Any]]:
        return (self.dataset, self.backbone), {
            "items": len(self), "blocks": self.blocks, "grid": self.grid, "width": self.width,
        }  # fmt: skip

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all tokens as stored."""
        store = self.features.store
        shape = stored_shape(store.layout.arrays[TOKENS], store.key.dtype)
        return (
            int(np.prod(shape))
            * store.layout.frames
            * np.dtype(stored_type(store.key.dtype)).itemsize
        )

    def rounding(self, most: int = 64) -> float:
        """What int8 or float8 lost of the tokens: the root mean square of its error as a share of
        theirs, from ``most`` frames; 0 of other dtypes."""
        store = self.features.store
        if not is_quantised(store.key.dtype) or not isinstance(store, FeatureStore):
            return 0.0
        at = np.linspace(0, store.layout.frames - 1, most).astype(np.int64)
        return error(store.read(TOKENS, frames=np.unique(at), decoded=False))

    @cached_property
    def _ends(self) -> np.ndarray:
        item = self.features.store.frame_item()
        return np.searchsorted(item, np.stack([self.rows, self.rows + 1]))

    def frames(self, i: int) -> int:
        """Number of frames of item i."""
        return int(self._ends[1, i] - self._ends[0, i])

    def tokens(
        self, i: int, blocks: int | None = None, frames: slice | np.ndarray | None = None
    ) -> np.ndarray:
        """Tokens (F, L, h, w, D) of item i as stored.

        ``blocks``: of the last ones only. ``frames``: a slice or an ascending index of those of the
        item.
        """
        first, end = (int(e) for e in self._ends[:, i])
        chosen = np.arange(first, end)[slice(None) if frames is None else frames]
        return self.features.frames(TOKENS, blocks, chosen)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.tokens(i) for i in range(len(self)))

    def images(self, i: int, size: tuple[int, int]) -> np.ndarray:
        """Frames float32 (F, C, h, w) of item i in [0, 1], on a grid of ``size`` over what the
        network was shown; C is 1 or 3. Decoded from the files."""
        return pictures(self.data, int(self.rows[i]), self.preprocess, size)


def open_tokens(
    data: Dataset,
    backbone: str,
    *,
    cache: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
) -> TokenSet:
    """The tokens of a data set and a backbone that are in the cache.

    ``image_size``: side of the network's input, where there are tokens of several. Raises
    :class:`InputError` that says how to extract them where there are none.
    """
    root = settings.feature_root(cache)
    stores, _ = find(root, [data.name], [backbone])
    able = [
        s for s in stores
        if TOKENS in s.layout.arrays and s.key.recipe == data.recipe.to_dict()
        and (image_size is None or Preprocess.from_dict(s.key.preprocess).size[0] == image_size)
    ]  # fmt: skip
    same = [s for s in able if s.key.dataset == data.fingerprint]
    if not same:
        changed = " of these files (they have changed since)" if able else ""
        size = f" --image-size {image_size}" if image_size else ""
        raise InputError(
            f"{data.name} / {backbone}: no tokens{changed} in {root}; make them with 'featprobe "
            f"extract --model {backbone} --data {data.name}{size} --features tokens'"
        )
    if len(same) > 1:
        sizes = sorted({Preprocess.from_dict(s.key.preprocess).size[0] for s in same})
        if len(sizes) > 1:
            text = ", ".join(map(str, sizes))
            raise InputError(
                f"{data.name} / {backbone}: tokens of image sizes {text}; choose one with "
                "--image-size"
            )
    return TokenSet(FeatureSet(same[-1]), data)


def every_tokens(
    data: Dataset,
    backbones: Sequence[str] = (),
    *,
    cache: str | os.PathLike[str] | None = None,
    image_sizes: Sequence[int] = (),
) -> list[TokenSet]:
    """All tokens of a data set that are in the cache, or those of some backbones and sizes.

    Raises :class:`InputError` that says how to extract them where there are none.
    """
    root = settings.feature_root(cache)
    stores, _ = find(root, [data.name], backbones)
    able = [
        s for s in stores
        if TOKENS in s.layout.arrays and s.key.recipe == data.recipe.to_dict()
        and s.key.dataset == data.fingerprint
        and (not image_sizes or Preprocess.from_dict(s.key.preprocess).size[0] in image_sizes)
    ]  # fmt: skip
    if not able:
        size = f" --image-size {image_sizes[0]}" if image_sizes else ""
        raise InputError(
            f"{data.name}: no tokens of these images{' of that size' if size else ''} in {root}; "
            f"make them with 'featprobe extract --model {backbones[0] if backbones else 'MODEL'} "
            f"--data {data.name}{size} --features tokens'"
        )
    return [TokenSet(FeatureSet(s), data) for s in able]


def _differing(stored: dict[str, Any], recipe: FrameRecipe) -> str:
    own = recipe.to_dict()
    return next((k for k in own if own[k] != stored.get(k)), "recipe")
