"""A plan of ten million frames: made, written, reopened and resumed, with a stub of a backbone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.rows import Row

CODE = """
import json, resource, sys, tempfile, time
from pathlib import Path
import numpy as np, torch
import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.backbones.spec import Preprocess
from featprobe.datasets.base import Dataset
from featprobe.errors import Unfinished
from featprobe.images.picture import Picture

FRAMES = 100
DEPTH = 64  # parts, of which one is extracted


class Stub:
    multiple, fixed, outputs = 1, None, {"cls": (1, 8)}

    def blocks_of(self, model):
        return [model]

    def __call__(self, model, x, wanted):
        return {"cls": x.mean((1, 2, 3))[:, None, None].expand(-1, 1, 8)}


class Volumes:
    def __init__(self, n):
        self.n = n

    def frames(self, i, recipe):
        return FRAMES

    def read(self, i, recipe):
        return Picture(np.full((FRAMES, 8, 8), i % 250, np.uint8))

    def contents(self, progress=None):
        return [str(i) for i in range(self.n)]


n = int(sys.argv[1]) // FRAMES
names = np.array([f"item{i:07d}" for i in range(n)])
data = Dataset(
    name="volumes", ids=names, source=Volumes(n), targets=np.arange(n) % 2, task="multiclass",
    classes=("a", "b"), groups=names, split=np.full(n, ""),
)
backbone = Backbone("stub", torch.nn.Identity(), Stub(), Preprocess((8, 8), None, mean=(0,) * 3,
                    std=(1,) * 3))
out = {}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with tempfile.TemporaryDirectory() as folder:
    parts = max(1, int(sys.argv[1]) // 100_000)
    begin = time.perf_counter()
    try:
        fp.extract(backbone, data, cache=folder, batch_size=256, part=(1, parts))
    except Unfinished:
        pass
    out["first part"] = time.perf_counter() - begin
    if parts > 1:
        begin = time.perf_counter()
        try:
            fp.extract(backbone, data, cache=folder, batch_size=256, part=(1, parts))
        except Unfinished:
            pass
        out["resume"] = time.perf_counter() - begin
    else:
        begin = time.perf_counter()
        fp.extract(backbone, data, cache=folder, batch_size=256)
        out["resume"] = time.perf_counter() - begin
out["memory"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps(out))
"""


def measured(frames: int) -> dict[str, float]:
    """Seconds of the first hundred thousand frames and of finding them done; MiB above imports."""
    out = subprocess.run(
        [sys.executable, "-c", CODE, str(frames)], check=True, capture_output=True, text=True
    )
    return json.loads(out.stdout.splitlines()[-1])


def rows(runs: int = 3) -> Iterator[Row]:
    """How time and memory grow from 10^5 to 10^7 frames; 10^5 are extracted each time."""
    sizes = [10**5, 10**6, 10**7]
    found = [measured(n) for n in sizes]
    for small, large, a, b in zip(sizes, sizes[1:], found, found[1:]):
        for what, unit in (("first part", "s"), ("resume", "s"), ("memory", "MiB")):
            name = (
                f"{what}, plan of 10^{len(str(large)) - 1} frames against 10^{len(str(small)) - 1}"
            )
            yield Row(name, b[what], a[what], unit)
