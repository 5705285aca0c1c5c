"""Rows of items in several augmented views, as heads that are trained in epochs take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from featprobe.core.errors import InputError

TRAIN, TEST, BOTH = "train", "test", "both"
USES = (TRAIN, TEST, BOTH)


@dataclass(frozen=True)
class AugmentedRows:
    """``views``: V arrays (N, D) of the same N items, the first without augmentation.

    ``rows[index]`` is AugmentedRows again, so that rows are drawn as from an (N, D) array.
    """

    views: tuple[np.ndarray, ...]

    @classmethod
    def first(cls, x: Any) -> Any:
        """The rows (N, D) without augmentation; an array as it is."""
        return x.views[0] if isinstance(x, cls) else x

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D), as of one view."""
        return self.views[0].shape

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> AugmentedRows:
        """A function of rows, applied to each view."""
        return AugmentedRows(tuple(change(v) for v in self.views))

    def __len__(self) -> int:
        return len(self.views[0])

    def __getitem__(self, rows: Any) -> AugmentedRows:
        return AugmentedRows(tuple(v[rows] for v in self.views))


def check_use(use: str, views: int, where: str) -> None:
    """Raise :class:`InputError` for an unknown use of augmented views, or where there are none."""
    if use not in ("", *USES):
        raise InputError(f"augmented views are for {', '.join(USES)}, not {use!r}")
    if use and views < 2:
        raise InputError(f"{where} holds each frame in one view; run extract again with --views 8")
