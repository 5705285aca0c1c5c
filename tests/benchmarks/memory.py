"""Peak memory of an extraction with ten times the items."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.benchmarks.rows import Row, in_turn

ITEMS = 300
CODE = """
import resource, sys
import featprobe as fp
backbone = fp.load_backbone("resnet18", init="random", image_size=64)
data = fp.load_dataset(sys.argv[1], cache=sys.argv[2])
fp.extract(backbone, data, cache=sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak(items: int) -> float:
    """MiB that the process of an extraction of so many films needs at most."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text) / "films"
        folder.mkdir()
        for i in range(items):
            pixels = rng.integers(0, 256, (512, 512), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i:05d}.png", compress_level=0)
        out = subprocess.run(
            [sys.executable, "-c", CODE, str(folder), f"{text}/cache"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    return float(out.stdout.split()[-1])


def rows(runs: int = 3) -> Iterator[Row]:
    """The most of few runs each."""
    runs = min(runs, 2)
    many, few = map(max, in_turn(runs, lambda: peak(10 * ITEMS), lambda: peak(ITEMS)))
    name = f"peak memory, {10 * ITEMS} items against {ITEMS}"
    yield Row(name, many, few, "MiB", must=1.05, more=False, note=f"the most of {runs} runs")
