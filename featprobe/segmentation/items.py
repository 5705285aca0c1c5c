"""Items with masks: their tokens beside labels of pixels, a few frames in memory at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from featprobe.core.errors import InputError
from featprobe.segmentation.decoders.base import Decoder, Shape

PIECE = 32  # frames that are read at a time
POOL = 8  # batches among whose frames a batch is drawn
SCALE = 4  # cells of the answer along a patch, at most: those of the network's input


class Tokens(Protocol):
    """What is needed of a :class:`~featprobe.features.tokens.TokenSet`."""

    dataset: str
    backbone: str
    features: Any
    blocks: int
    grid: tuple[int, int]
    width: int
    ids: np.ndarray
    rows: np.ndarray
    data: Any

    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def masks(self) -> Any: ...
    def frames(self, i: int) -> int: ...
    def has_mask(self, i: int) -> bool: ...
    def tokens(
        self, i: int, blocks: int | None = None, frames: slice | np.ndarray | None = None
    ) -> np.ndarray: ...
    def mask(self, i: int) -> Any: ...
    def grid_of(self, i: int) -> Any: ...
    def images(self, i: int, size: tuple[int, int]) -> np.ndarray: ...


class Piece(NamedTuple):
    """Some frames, in order, of one item."""

    item: int
    start: int
    stop: int


class Batch(NamedTuple):
    """``tokens`` (B, L, h, w, D) float32, ``target`` uint8 (B, H, W) or (B, K, H, W), ``image``
    float32 (B, C, H, W) where a decoder sees it."""

    tokens: Tensor
    target: Tensor
    image: Tensor | None


class MaskedItems:
    """Items with masks, as decoders learn from them.

    ``size`` (H, W): of the grid over the network's input on which losses are taken and answers
    given, ``scale`` cells along a patch, but no more than pixels. Labels on that grid are made once
    an item and kept in a file without a name that ends with the process; tokens and images are read
    when they are wanted.
    """

    def __init__(self, tokens: Tokens, scale: int = SCALE) -> None:
        """Raises :class:`InputError` where there are no masks or no class."""
        if tokens.masks is None:
            raise InputError(f"{tokens.dataset} has no masks")
        self.tokens = tokens
        self.classes: tuple[str, ...] = tuple(tokens.masks.classes)
        self.multilabel = bool(tokens.masks.multilabel)
        self.foreground = self.classes if self.multilabel else self.classes[1:]
        if not self.foreground:
            raise InputError(f"{tokens.dataset}: every mask is background")
        (h, w), (height, width) = tokens.grid, tokens.size
        self.size = min(h * scale, max(h, height)), min(w * scale, max(w, width))
        self.ceilings: dict[tuple[int, ...], dict[str, float]] = {}  # by items, once measured
        self._made: set[int] = set()
        self._drawn: set[int] = set()

    def __len__(self) -> int:
        return len(self.tokens.ids)

    @property
    def ids(self) -> np.ndarray:
        return self.tokens.ids

    @property
    def groups(self) -> np.ndarray:
        return np.asarray(self.tokens.data.groups[self.tokens.rows])

    @property
    def split(self) -> np.ndarray:
        """(N,) train, val, test or "" of the data set as it was opened."""
        return np.asarray(self.tokens.data.split[self.tokens.rows])

    @property
    def split_origin(self) -> str:
        return str(self.tokens.data.split_origin)

    @property
    def group_origin(self) -> str:
        return str(self.tokens.data.group_origin)

    @cached_property
    def voxels(self) -> np.ndarray:
        """(N, C) voxels of each class of the foreground that the mask of an item has, int64; 0
        without a mask. All masks are read."""
        out = np.zeros((len(self), len(self.foreground)), dtype=np.int64)
        for i in range(len(self)):
            if self.tokens.has_mask(i):
                values = self.tokens.mask(i).values
                if self.multilabel:
                    out[i] = (values == 1).reshape(len(values), -1).sum(1)
                else:
                    out[i] = np.bincount(values.ravel(), minlength=256)[1 : len(self.classes)]
        return out

    @property
    def presence(self) -> np.ndarray:
        """(N, C) 1.0 where an item has a class."""
        return (self.voxels > 0).astype(float)

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(self.tokens.frames(i) for i in range(len(self)))])

    @cached_property
    def _labels(self) -> np.ndarray:
        kinds = (len(self.classes),) if self.multilabel else ()
        shape = (int(self._starts[-1]), *kinds, *self.size)
        return np.memmap(tempfile.TemporaryFile(), np.uint8, "w+", shape=shape)

    def frames(self, i: int) -> int:
        return int(self._starts[i + 1] - self._starts[i])

    def target(self, i: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Labels uint8 (f, H, W), or (f, K, H, W) of 0 and 1, of frames of item i; 255 is void."""
        first = int(self._starts[i])
        if i not in self._made:
            found = self.tokens.grid_of(i).to_frames(self.tokens.mask(i).values, self.size)
            self._labels[first : int(self._starts[i + 1])] = found
            self._made.add(i)
        stop = self.frames(i) if stop is None else stop
        return np.asarray(self._labels[first + start : first + stop])

    @cached_property
    def _pictures(self) -> np.ndarray:
        channels = self.tokens.images(0, self.size).shape[1]
        shape = (int(self._starts[-1]), channels, *self.size)
        return np.memmap(tempfile.TemporaryFile(), np.float16, "w+", shape=shape)

    def image(self, i: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames float16 (f, C, H, W) of item i as the network was shown them, in [0, 1]."""
        first = int(self._starts[i])
        if i not in self._drawn:
            seen = in_channels(self.tokens.images(i, self.size), self._pictures.shape[1])
            self._pictures[first : int(self._starts[i + 1])] = seen
            self._drawn.add(i)
        stop = self.frames(i) if stop is None else stop
        return np.asarray(self._pictures[first + start : first + stop])

    def shape(self, decoder: Decoder) -> Shape:
        """What a decoder meets here. Raises :class:`InputError` where it wants more blocks."""
        takes = decoder.takes
        if takes > self.tokens.blocks:
            raise InputError(
                f"decoder {decoder.name} takes the tokens of the last {takes} blocks, and "
                f"{self.tokens.blocks} are stored: extract with --features tokens:{takes}"
            )
        channels = self._pictures.shape[1] if decoder.sees else 0
        return Shape(
            takes, self.tokens.width, self.tokens.grid, self.size, len(self.classes), channels
        )

    def pieces(self, rows: Sequence[int] | np.ndarray, most: int = PIECE) -> list[Piece]:
        """All frames of items in pieces of at most so many."""
        return [
            Piece(int(i), start, min(start + most, self.frames(int(i))))
            for i in rows
            for start in range(0, self.frames(int(i)), most)
        ]

    def read(self, piece: Piece, decoder: Decoder) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens float16 or float32 (f, L, h, w, D), and images where the decoder sees them."""
        i, start, stop = piece
        image = self.image(*piece) if decoder.sees else None
        if not decoder.takes:
            nothing = np.empty((stop - start, 0, *self.tokens.grid, self.tokens.width), np.float16)
            return nothing, image
        found = self.tokens.tokens(i, decoder.takes, slice(start, stop))
        if not _finite(found):
            raise InputError(
                f"{self.tokens.ids[i]}: its tokens are NaN or infinite; extract again, or leave "
                "the item out"
            )
        return found, image

    def batches(
        self, rows: np.ndarray, decoder: Decoder, batch: int, steps: int, seed: int
    ) -> Iterator[Batch]:
        """``steps`` batches of frames in an order that depends on the seed alone.

        Pieces of items are read in random order into a pool of :data:`POOL` batches, from which
        frames are drawn without replacement; a batch goes on into the next epoch.
        """
        rng = np.random.default_rng([seed, 0x5E6])
        every = self.pieces(rows, max(1, min(PIECE, batch)))
        if not every:
            raise InputError("there is nothing to train on: no frames")
        order: list[Piece] = []
        pool = _Pool(batch * POOL + PIECE)
        for _ in range(steps):
            while pool.held < (batch * POOL if order else batch):
                order = order or [every[k] for k in rng.permutation(len(every))]
                piece = order.pop()
                tokens, image = self.read(piece, decoder)
                pool.put(tokens, self.target(*piece), *(() if image is None else (image,)))
            found, target, *images = pool.take(batch, rng)
            yield Batch(found.float(), target, images[0].float() if images else None)


def in_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Images (f, C, H, W) as a decoder takes them that learnt from those of ``channels``: grey ones
    in all of three, the mean of coloured ones where it knows grey alone."""
    if images.shape[1] > channels:
        images = images.mean(1, keepdims=True)
    return np.broadcast_to(images, (len(images), channels, *images.shape[2:]))


class _Pool:
    """Frames that wait to be drawn; what is drawn leaves."""

    def __init__(self, room: int) -> None:
        self._room, self.held = room, 0
        self._parts: list[np.ndarray] = []

    def put(self, *parts: np.ndarray) -> None:
        """Add frames: arrays (f, ...), always of the same kinds."""
        if not self._parts:
            self._parts = [np.empty((self._room, *p.shape[1:]), p.dtype) for p in parts]
        n = len(parts[0])
        for held, new in zip(self._parts, parts):
            held[self.held : self.held + n] = new
        self.held += n

    def take(self, n: int, rng: np.random.Generator) -> list[Tensor]:
        """``n`` frames, drawn without replacement; the last ones move into their places."""
        chosen = rng.permutation(self.held)[:n]
        out = [torch.from_numpy(p[chosen]) for p in self._parts]
        left = self.held - len(chosen)
        gaps = chosen[chosen < left]
        movers = np.setdiff1d(np.arange(left, self.held), chosen)
        for p in self._parts:
            p[gaps] = p[movers]
        self.held = left
        return out


def _finite(x: np.ndarray) -> bool:
    if x.dtype == np.float16:  # by the bits of the exponent, ten times as fast
        return not ((x.view(np.uint16) & 0x7C00) == 0x7C00).any()
    return bool(np.isfinite(x).all())
