"""A plan of ten million frames: made, written, reopened and resumed, with a stub of a backbone.

And a complete store of a million, recognised by ``extract``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.rows import Row

STUB = """
import json, resource, sys, tempfile, time
from pathlib import Path
import numpy as np, torch
import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.backbones.spec import Preprocess
from featprobe.datasets.base import Dataset
from featprobe.core.errors import Unfinished
from featprobe.images.decoded_image import DecodedImage

FRAMES = int(sys.argv[2])  # of an item


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
        return DecodedImage(np.full((FRAMES, 8, 8), i % 250, np.uint8))

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
"""

PLAN = """
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


COMPLETE = """
from featprobe.extraction.open_store import open_store
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.testing.cases import fill, make_features

with tempfile.TemporaryDirectory() as folder:
    store = open_store(backbone, data, {"cls": 1}, settle(Options(batch_size=256)),
                       cache=folder, store="zarr", dtype="float16")
    fill(store, make_features(store.layout))
    store.finish({})
    begin = time.perf_counter()
    assert not fp.extract(backbone, data, cache=folder, batch_size=256).summary.new_frames
    print(json.dumps({"complete": time.perf_counter() - begin}))
"""


def measured(code: str, frames: int, each: int) -> dict[str, float]:
    """What a program prints that runs with items of so many frames each."""
    out = subprocess.run(
        [sys.executable, "-c", STUB + code, str(frames), str(each)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(out.stdout.splitlines()[-1])


def rows(runs: int = 3) -> Iterator[Row]:
    """How a complete store is recognised; how time and memory grow from 10^5 to 10^7 frames, of
    which 10^5 are extracted each time."""
    for each, what in ((1, "images"), (100, "volumes of 100")):
        times = [measured(COMPLETE, 10**6, each)["complete"] for _ in range(runs)]
        name = f"extract on a complete 10^6-frame store of {what} / 1 s"
        yield Row(name, statistics.median(times), 1.0, "s", 1, more=False, note="beyond imports")
    sizes = [10**5, 10**6, 10**7]
    found = [measured(PLAN, n, 100) for n in sizes]
    for small, large, a, b in zip(sizes, sizes[1:], found, found[1:]):
        for what, unit in (("first part", "s"), ("resume", "s"), ("memory", "MiB")):
            name = (
                f"{what}, plan of 10^{len(str(large)) - 1} frames against 10^{len(str(small)) - 1}"
            )
            yield Row(name, b[what], a[what], unit)
