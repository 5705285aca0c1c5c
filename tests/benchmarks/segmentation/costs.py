"""What segmentation from cached tokens costs, on tokens that are drawn when they are read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.benchmarks.rows import Row, side_by_side

RATES = (1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1)
PEAK = """
import resource, sys
import numpy as np
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.training import Training, train
from tests.benchmarks.segmentation.costs import Drawn
items = MaskedItems(Drawn(int(sys.argv[1]), 100))
train(make_decoder("linear"), items, np.arange(len(items)), Training(epochs=1, min_steps=1))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


class Drawn:
    """Volumes whose tokens are drawn when they are asked for, as a store reads them."""

    dataset, backbone, features = "drawn", "drawn", None
    blocks, grid, width, size = 1, (8, 8), 192, (112, 112)

    def __init__(self, items: int, frames: int) -> None:
        self.rows = np.arange(items)
        self.ids = self.groups = self.rows.astype(str)
        self.split, self.split_origin, self.group_origin = np.full(items, ""), "", ""
        self.data, self._n = self, frames
        self.masks = SimpleNamespace(classes=("background", "1", "2"), multilabel=False)
        rng = np.random.default_rng(0)
        self._tokens = rng.normal(size=(32, 1, 8, 8, 192)).astype(np.float16)

    def frames(self, i: int) -> int:
        return self._n

    def tokens(self, i: int, blocks: int | None = None, frames: Any = None) -> np.ndarray:
        n = len(range(self._n)[frames]) if isinstance(frames, slice) else self._n
        return np.roll(self._tokens, i, 0)[:n].copy()

    def has_mask(self, i: int) -> bool:
        return True

    def mask(self, i: int) -> Any:
        return SimpleNamespace(values=np.random.default_rng(i).integers(0, 3, (self._n, 8, 8)))

    def grid_of(self, i: int) -> Any:
        def to_frames(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
            return values.repeat(size[0] // 8, 1).repeat(size[1] // 8, 2)

        return SimpleNamespace(to_frames=to_frames)


def _peak(volumes: int) -> float:
    """MiB that training on so many volumes of 100 slices needs at most."""
    out = subprocess.run(
        [sys.executable, "-c", PEAK, str(volumes)], check=True, capture_output=True, text=True
    )
    return float(out.stdout.split()[-1])


def costs(runs: int) -> Iterator[Row]:
    import featprobe as fp
    from featprobe.segmentation.decoders.named import make_decoder
    from featprobe.segmentation.items import MaskedItems
    from featprobe.segmentation.training import Training, train

    items, decoder = MaskedItems(Drawn(20, 32)), make_decoder("linear")
    rows = np.arange(len(items))
    for i in rows:
        items.target(int(i))

    def trained(rates: tuple[float, ...]) -> None:
        train(decoder, items, rows, Training(lr=rates, epochs=1, min_steps=1))

    seven, one = side_by_side(lambda: trained(RATES), lambda: trained((1e-2,)), runs)
    yield Row("seven rates against one, linear decoder", seven, one, "s", must=2, more=False,
              runs=runs)  # fmt: skip
    backbone = fp.load_backbone("tiny_vit14", image_size=112)
    pixels = np.zeros((32, 112, 112), np.uint8)

    def again() -> None:
        for _ in rows:
            backbone.forward(backbone.prepare(pixels, 0, 255))

    cached, whole = side_by_side(lambda: trained((1e-2,)), again, runs)
    name = "an epoch over cached tokens against the backbone alone, tiny_vit14 at 112"
    yield Row(name, cached, whole, "s", must=0.1, more=False, note="a larger network costs more",
              runs=runs)  # fmt: skip
    many, few = _peak(500), _peak(50)
    name = "peak memory of 500 volumes of 100 slices against 50"
    tokens = 500 * 100 * 64 * 192 * 2 / 2**20
    yield Row(name, many, few, "MiB", must=1.3, more=False, note=f"tokens are {tokens:.0f} MiB")
