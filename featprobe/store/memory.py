"""Features that are arrays in memory, to be read like a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from featprobe.store.format import DONE, FeatureKey, Items, Layout


class MemoryStore:
    """A complete store of arrays in memory, one frame an item, as a FeatureSet reads it.

    ``arrays``: name -> (N, L, D) float32, the last L blocks of each output.
    """

    kind, path = "memory", None
    complete = True

    def __init__(
        self, key: FeatureKey, arrays: Mapping[str, np.ndarray], items: Items, dataset: str,
        backbone: str, provenance: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.key, self._arrays, self._items = key, dict(arrays), items
        self.dataset, self.backbone = dataset, backbone
        n = len(items.ids)
        self.layout = Layout(n, max(1, n), {k: v.shape[1:] for k, v in self._arrays.items()})
        self.attributes: dict[str, Any] = {"provenance": dict(provenance), "complete": True}

    def items(self) -> Items:
        """The table of items."""
        return self._items

    def status(self) -> np.ndarray:
        """(N,) all done."""
        return np.full(self.layout.frames, DONE, np.uint8)

    def reasons(self) -> dict[int, str]:
        """None failed."""
        return {}

    def frame_item(self) -> np.ndarray:
        """(N,) each frame is an item."""
        return np.arange(self.layout.frames)

    def read(
        self, name: str, blocks: int | None = None, frames: slice | np.ndarray | None = None
    ) -> np.ndarray:
        """The last ``blocks`` of an output (n, L, D), of some frames or all."""
        x = self._arrays[name]
        x = x if blocks is None else x[:, x.shape[1] - blocks :]
        return x if frames is None else x[frames]
