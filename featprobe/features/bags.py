"""Bags: the frames of each item, for probes that pool them themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featprobe.core.errors import InputError


@dataclass(frozen=True)
class Bags:
    """N bags of frames: ``frames`` (F, D), bag i is rows ``offsets[i]`` to ``offsets[i + 1]``.

    ``frames`` become float32. Every bag has a frame or more. ``bags[rows]`` takes an index array,
    a mask or a slice and is Bags again, so that rows are drawn as from an (N, D) array.
    """

    frames: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames, dtype=np.float32)
        offsets = np.asarray(self.offsets, dtype=np.int64)
        if frames.ndim != 2:
            raise InputError(f"frames must be an (F, D) array, not of shape {frames.shape}")
        if offsets.ndim != 1 or len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(frames):
            raise InputError(f"offsets of bags must run from 0 to the {len(frames)} frames")
        if (short := np.flatnonzero(np.diff(offsets) < 1)).size:
            raise InputError(f"bag {short[0]} has no frame; leave such items out")
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "offsets", offsets)

    @classmethod
    def of(cls, x: Bags | np.ndarray) -> Bags:
        """Bags as they are; each row of an (N, D) array as a bag of one."""
        return x if isinstance(x, Bags) else cls(x, np.arange(len(x) + 1))

    @classmethod
    def joined(cls, parts: Sequence[Bags]) -> Bags:
        """The bags of several, one behind the other."""
        counts = np.concatenate([p.counts for p in parts])
        return cls(np.concatenate([p.frames for p in parts]), np.r_[0, np.cumsum(counts)])

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D), as of one row an item."""
        return len(self), self.frames.shape[1]

    @property
    def counts(self) -> np.ndarray:
        """(N,) frames of each bag."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: Any) -> Bags:
        rows = np.atleast_1d(np.arange(len(self))[rows])
        counts = self.counts[rows]
        offsets = np.r_[0, np.cumsum(counts)]
        frame = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Bags(self.frames[frame], offsets)

    def mean(self) -> np.ndarray:
        """(N, D) float32 mean frame of each bag."""
        total = np.add.reduceat(self.frames, self.offsets[:-1], axis=0, dtype=np.float64)
        return (total / self.counts[:, None]).astype(np.float32)


def one_row_an_item(x: Bags | np.ndarray) -> np.ndarray:
    """Features (N, D) as they are, of bags the mean frame: where an item lies."""
    return x.mean() if isinstance(x, Bags) else x
