"""Growth with the number of records, where no pixels are, with a stub of a backbone.

A plan of ten million frames: made, written, reopened and resumed. A complete store of a million,
recognised by ``extract``. Each stage that looks at all records, at 10^5, 10^6 and 10^7 of them. The
requests of each stage to an object store, counted.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.rows import Measured, Rate, Row

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

STAGES = """
from featprobe.extraction.open_store import open_store
from featprobe.extraction.options import Options
from featprobe.extraction.plan import plan_frames
from featprobe.extraction.resolve import settle
from featprobe.probes.ridge import RidgeProbe
from featprobe.splits.assign import assign
from featprobe.store import containers
from featprobe.testing.cases import fill

records = int(sys.argv[1])
out = {}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def stage(name, run):
    begin = time.process_time()
    found = run()
    out[name] = time.process_time() - begin
    out[name + " MiB"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return found

with tempfile.TemporaryDirectory() as folder:
    o = settle(Options(batch_size=256))
    plan = stage("plan", lambda: plan_frames(data))
    assert len(plan) == records
    make = lambda: open_store(backbone, data, {"cls": 1}, o, cache=folder, store="zarr",
                              dtype="float16")
    store = stage("index", make)
    rows = np.random.default_rng(0).normal(size=(records, 1, 8)).astype(np.float16)
    fill(store, {"cls": rows})
    stage("status", lambda: containers.open_store(store.path).pending())
    damage = stage("verify", lambda: containers.open_store(store.path).verify())
    assert damage == []
    del store, rows, plan
ids = np.arange(records).astype("U8")
targets = np.arange(records) % 2
patients = (np.arange(records) // 10).astype("U8")
parts = stage("split", lambda: assign(targets, patients, ids=ids))
assert np.bincount(parts).min() > 0
del ids, patients, parts
x = np.random.default_rng(1).normal(size=(records, 8)).astype(np.float32)
stage("probe", lambda: RidgeProbe(alphas=1.0).fit(x, targets))
print(json.dumps(out))
"""

REQUESTS = """
from featprobe.extraction.open_store import open_store
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.store import containers
from featprobe.store.remote import RemotePath
from featprobe.testing.cases import fill, make_features

count = {}

def counted(name):
    real = getattr(RemotePath, name)
    def call(*given, **named):
        count[name] = count.get(name, 0) + 1
        return real(*given, **named)
    setattr(RemotePath, name, call)

for name in ("exists", "size", "read", "write", "names", "files"):  # one request each
    counted(name)
out = {}

def stage(name, run):
    count.clear()
    found = run()
    out[name], out[name + " by kind"] = sum(count.values()), dict(count)
    return found

o = settle(Options(batch_size=64))
store = stage("make", lambda: open_store(
    backbone, data, {"cls": 1}, o, cache="memory://cache", store="zarr", dtype="float16"))
out["shards"] = store.layout.shards
features = make_features(store.layout)
stage("extract", lambda: fill(store, features))
stage("finish", lambda: store.finish({}))
stage("status", lambda: containers.open_store(store.path).pending())
stage("read", lambda: containers.open_store(store.path).read("cls"))
stage("verify", lambda: containers.open_store(store.path).verify())
print(json.dumps(out))
"""


def measured(code: str, frames: int, each: int) -> dict[str, float]:
    """What a program prints that runs with items of so many frames each."""
    out = subprocess.run(
        [sys.executable, "-c", STUB + code, str(frames), str(each)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(out.stdout.splitlines()[-1])


PARTS = ("complete", "plan", "stages", "requests", "ray")
SEEDS = 10  # of deaths


def rows(runs: int = 3, parts: Sequence[str] = PARTS) -> Iterator[Measured]:
    """How a complete store is recognised; how time and memory grow from 10^5 to 10^7 records."""
    if "complete" in parts:
        yield from complete(runs)
    sizes = [10**5, 10**6, 10**7]
    if "plan" in parts:
        yield from plans(sizes)
    if "stages" in parts:
        yield from stages(sizes)
    if "requests" in parts:
        yield from requests()
    if "ray" in parts:
        yield from deaths()


def complete(runs: int) -> Iterator[Row]:
    """``extract`` on a store in which nothing is missing."""
    for each, what in ((1, "images"), (100, "volumes of 100")):
        times = [measured(COMPLETE, 10**6, each)["complete"] for _ in range(runs)]
        name = f"extract on a complete 10^6-frame store of {what} / 1 s"
        yield Row(name, statistics.median(times), 1.0, "s", 1, more=False, note="beyond imports",
                  runs=runs)  # fmt: skip


def plans(sizes: Sequence[int]) -> Iterator[Row]:
    """Of plans of so many frames 10^5 are extracted each time."""
    found = [measured(PLAN, n, 100) for n in sizes]
    for small, large, a, b in zip(sizes, sizes[1:], found, found[1:]):
        for what, unit in (("first part", "s"), ("resume", "s"), ("memory", "MiB")):
            name = (
                f"{what}, plan of 10^{len(str(large)) - 1} frames against 10^{len(str(small)) - 1}"
            )
            yield Row(name, b[what], a[what], unit, runs=1)


def stages(sizes: Sequence[int]) -> Iterator[Row]:
    """CPU time and memory at each size, against the size before; linear is the goal, with a quarter
    for noise and 50 ms for what is done once."""
    found = [measured(STAGES, n, 100) for n in sizes]
    for stage in ("plan", "index", "status", "verify", "split", "probe"):
        for n, here, before, smaller in zip(sizes[1:], found[1:], found, sizes):
            name = f"{stage}, 10^{len(str(n)) - 1} records against 10^{len(str(smaller)) - 1}"
            most = 1.25 * n / smaller + 0.05 / before[stage]
            note = f"{1e9 * here[stage] / n:.3g} ns, peak {here[stage + ' MiB']:.0f} MiB"
            yield Row(name, here[stage], before[stage], "s", most, more=False, note=note, runs=1)


def requests() -> Iterator[Row]:
    """Requests to an object store for each shard of one array, by the difference of two stores."""
    few, many = (measured(REQUESTS, n, 100) for n in (6_400, 64_000))
    shards = many["shards"] - few["shards"]
    for stage in ("make", "extract", "finish", "status", "read", "verify"):
        each = (many[stage] - few[stage]) / shards
        at_all = few[stage] - each * few["shards"]
        note = f"a shard, beside {at_all:.0f} at all ({many['shards']:.0f} shards)"
        yield Row(f"requests, {stage}", each, 1, "", note=note)


def deaths() -> Iterator[Measured]:
    """64 played actors of Ray that die at random calls to the system, for several seeds; whether
    the store is what one worker makes, bit by bit."""
    from featprobe.testing.cases import StoreCase
    from tests.extraction.played import WORKERS, played, run

    found, case = [], StoreCase()
    case.kind = "zarr"
    for seed in range(SEEDS):
        with (
            tempfile.TemporaryDirectory() as folder, played(),
            contextlib.redirect_stderr(io.StringIO()),  # each death is told
        ):  # fmt: skip
            found.append(run(case, Path(folder), seed, ray=True))
    low, high = (f([r.deaths for r in found]) for f in (min, max))
    few, many = (f([r.repeated for r in found]) for f in (min, max))
    wrong = "".join(f"; {w}" for w in {r.wrong for r in found} - {""})
    yield Rate(
        f"Ray, {WORKERS} workers that die at random: stores that are bit-equal to one worker's",
        sum(not r.wrong for r in found) / len(found), len(found), 1.0,
        note=f"{low} to {high} deaths, {few} to {many} of {found[0].shards} shards repeated{wrong}",
    )  # fmt: skip
