"""The masks of items that a network sees, and how its input lies in their voxels."""

from __future__ import annotations

from typing import Any

import numpy as np

from featprobe.backbones.resizing import field_of_view
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.masks import Masks
from featprobe.images.grids import FrameGrid, View


class WithMasks:
    """Items of ``data`` (``rows`` (N,) says which) as a network with ``preprocess`` sees them.

    What tokens are decoded into, whether they are read from a store or computed on the way.
    """

    data: Dataset
    dataset: str
    rows: np.ndarray
    preprocess: Preprocess

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the network's input."""
        return self.preprocess.size

    @property
    def masks(self) -> Masks | None:
        """The masks of the data set, whose items are :attr:`rows`; see :meth:`mask`."""
        return self.data.masks

    def mask(self, i: int) -> Any:
        """The :class:`~featprobe.images.masks.Mask` of item i."""
        if self.data.masks is None:
            raise InputError(f"{self.dataset}: the data set has no masks")
        return self.data.masks.read(int(self.rows[i]))

    def has_mask(self, i: int) -> bool:
        return self.data.masks is not None and self.data.masks.has(int(self.rows[i]))

    def grid_of(self, i: int) -> FrameGrid:
        """How the frames of item i, and the tokens, lie in its voxels."""
        return self.data.grid(int(self.rows[i]), self.view)

    def view(self, height: int, width: int) -> View:
        """What the network sees of a frame of (height, width)."""
        return field_of_view(height, width, self.preprocess, self.data.recipe.fit)
