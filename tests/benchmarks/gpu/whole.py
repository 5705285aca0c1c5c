"""``extract`` from files of each kind, and what it waits for."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.extraction.batches import Batches
from featprobe.extraction.decoding import Decoded
from featprobe.extraction.device import Forward
from featprobe.extraction.options import BLOCKS
from featprobe.extraction.times import Times
from featprobe.extraction.transfer import Upload
from featprobe.store.format import FeatureKey
from tests.benchmarks.extraction import jpegs, series, sized, volumes
from tests.benchmarks.gpu.forward import KEPT
from tests.benchmarks.gpu.machine import ROUNDS, Cells, Machine
from tests.benchmarks.rows import Row, median_of

NOTE = (
    "Frames/s of the whole of `extract` (bf16, default workers) after its start, decoders begun "
    "before, against a bare loop before and after it. Seconds of the main thread: waiting for "
    "decoding, network and transfer, waiting for writing; `decode` is summed over the workers. "
    "`arrays`: decoded frames of 224 x 224, one an item, to features, through pinned buffers and "
    "as copies that are waited for."
)
DISTINCT = 256  # files; the others are links to them


def png(folder: Path, n: int) -> None:
    """PNGs of the network's size."""
    sized(folder, min(n, DISTINCT))
    repeated(folder, n)


def jpeg(folder: Path, n: int) -> None:
    """Films as JPEG."""
    jpegs(folder, min(n, DISTINCT // 8))
    repeated(folder, n)


def repeated(folder: Path, n: int) -> None:
    """Links to the files of a folder, until there are so many."""
    files = sorted(folder.iterdir())
    for i in range(len(files), n):
        source = files[i % len(files)]
        name = folder / f"link{i:06d}{source.suffix}"
        try:
            os.link(source, name)
        except OSError:  # a disk without links
            shutil.copy(source, name)


def npz(folder: Path, n: int) -> None:
    """One file of arrays in memory: nothing to decode."""
    x = np.random.default_rng(0).integers(0, 256, (n, 224, 224), dtype=np.uint8)
    np.savez(folder / "data.npz", train_images=x, train_labels=np.arange(n)[:, None] % 2)


# input -> what makes it, how many frames, and how it is read
INPUTS: dict[str, tuple[Callable[[Path, int], None], int, dict[str, str]]] = {
    "224 x 224 PNG": (png, 8192, {}),
    "224 x 224 npz": (npz, 8192, {}),
    "512 x 512 DICOM series": (series, 1000, {}),
    "256 x 256 NIfTI slices": (volumes, 1600, {}),
    "1024 x 1024 JPEG": (jpeg, 2048, {}),
    "1024 x 1024 JPEG, --decode device": (jpeg, 2048, {"decode": "device"}),
}
MODELS = ("dinov2_vits14", "dinov2_vitl14")
READY = ("224 x 224 npz", "512 x 512 DICOM series")  # decoding is never the limit of these, at 16
WAITED = 0.1  # goal: of the time


def rows(machine: Machine) -> Iterator[Cells]:
    """A row for each kind of file and network."""
    size = 28 if machine.dry else None
    names = ("dinov2_vits14",) if machine.dry else MODELS
    made = {n: fp.load_backbone(n, init="random", image_size=size) for n in names}
    loops = {}
    for name, b in made.items():
        b.to(machine.device).channels_last()
        loops[name] = loop(machine, b)
    first = next(iter(made.values()))
    with tempfile.TemporaryDirectory() as text:  # begins the decoders
        machine.attempt(lambda: extracted(machine, first, dataset(png, 4, text), Path(text)))
    for pinned in (True, False):
        rate = machine.attempt(lambda pinned=pinned: arrays(machine, first, pinned))
        yield {
            "input": f"arrays, {'pinned' if pinned else 'waited for'}",
            "network": first.name.removesuffix("-random"), "frames/s": rate,
        }  # fmt: skip
    for name, (make, frames, how) in INPUTS.items():
        if machine.dry and how:
            continue  # there is no device
        with tempfile.TemporaryDirectory() as text:
            data = machine.attempt(
                lambda m=make, n=frames, t=text, how=how: dataset(
                    m, 4 if machine.dry else n, t, **how
                )
            )
            for model, b in made.items():
                row: Cells = {"input": name, "network": model}
                before = loops[model]()
                found = data if isinstance(data, str) else machine.attempt(
                    lambda b=b, d=data, p=Path(text) / model: extracted(machine, b, d, p)
                )  # fmt: skip
                if isinstance(found, str):
                    yield row | {"frames/s": found}
                    continue
                row |= found | {"bare": median_of((before, loops[model]()))}
                yield held(machine, row)


def loop(machine: Machine, backbone: Backbone) -> Callable[[], float]:
    """Frames/s of batches that are on the device, as `extract` sends them through."""
    batch, precision = (2, "float32") if machine.dry else (128, "bf16")
    x = torch.randn(batch, 3, *backbone.preprocess.size, device=machine.device)
    run = lambda: backbone.forward(x, BLOCKS, precision)  # noqa: E731
    return lambda: machine.rate(run, batch, machine.seconds / ROUNDS)


def held(machine: Machine, row: Cells) -> Cells:
    """A row with its goals: nearly the bare loop, and where files are small no wait for them."""
    what = f"extract, {row['input']}, {row['network']}"
    machine.hold(row, "of bare", Row(
        f"{what}: of a bare loop", row["frames/s"], row["bare"], "frames/s", KEPT,
    ))  # fmt: skip
    if row["input"] in READY:
        machine.hold(row, "waited", Row(
            f"{what}: time it waited for decoding", row["wait, s"], row["of which"], "s", WAITED,
            more=False,
        ))  # fmt: skip
    return row


def dataset(
    make: Callable[[Path, int], None], n: int, text: str, **how: str
) -> fp.Dataset:  # fmt: skip
    """A data set of files made for it."""
    folder = Path(text) / "data"
    folder.mkdir()
    make(folder, n)
    if make is npz:
        return fp.load_dataset(folder / "data.npz", cache=text)
    return fp.load_dataset(folder, label="none", cache=text, **how)


def extracted(machine: Machine, backbone: Backbone, data: fp.Dataset, cache: Path) -> Cells:
    """One run, after one batch has woken the device up."""
    ready = np.zeros((1, *backbone.preprocess.size), np.uint8)
    backbone.forward(backbone.prepare(ready, 0, 255))
    machine.peak()
    precision = "float32" if machine.dry else "bf16"
    features = fp.extract(backbone, data, cache=cache, device=machine.device, precision=precision)
    s = features.summary
    seconds = s.new_frames / s.rate if s.rate else 0.0
    times = {f"{k}, s": s.times[k] for k in ("wait", "device", "blocked", "decode")}
    return {
        "frames": s.new_frames, "frames/s": s.rate, "of which": round(seconds, 2), **times,
        "GB": machine.peak(), "limit": s.bottleneck,
    }  # fmt: skip


class Plain(Upload):
    """Frames copied from ordinary memory, which waits for all that the device has to do."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __call__(self, parts: Sequence[np.ndarray]) -> torch.Tensor:
        return torch.cat([torch.from_numpy(p).to(self.device) for p in parts])


class Nowhere:
    """A shard that keeps nothing."""

    start = 0

    def fill(self, rows: list[int], features: dict[str, np.ndarray]) -> None:
        pass


def arrays(machine: Machine, backbone: Backbone, pinned: bool) -> float:
    """Frames/s from decoded frames to features on the host."""
    batch, n = (2, 4) if machine.dry else (128, 8192)
    precision, wanted = "float32" if machine.dry else "bf16", {backbone.default_outputs[0]: 1}
    x = np.random.default_rng(0).integers(0, 256, (1, 224, 224), dtype=np.uint8)
    key = FeatureKey(
        weights="", config="", preprocess={}, recipe={}, outputs=wanted, precision=precision,
        dtype="float16", dataset="",
    )  # fmt: skip
    upload = Upload(backbone.device) if pinned else Plain(backbone.device)
    forward = Forward(backbone, wanted, precision, batch)
    device = Batches(backbone, forward, batch, Times(), key, upload)
    device.most = device.most if pinned else 1  # items one by one
    shard: Any = Nowhere()

    def run(frames: int) -> None:
        for i in range(frames):
            device.add(shard, Decoded(i, x, (0.0, 255.0)), np.array([0]), np.array([0]))
        device.flush(shard)
        device.land(0)

    run(batch)
    machine.wait()
    begin = time.perf_counter()
    run(n)
    return n / (time.perf_counter() - begin)
