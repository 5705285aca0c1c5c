"""``extract`` from files of each kind, and what it waits for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import featprobe as fp
from tests.benchmarks.extraction import series, sized, volumes
from tests.benchmarks.gpu import Machine, Row

NOTE = (
    "Frames/s of the whole of `extract` (bf16, default workers) after its start. Seconds of the "
    "main thread: waiting for decoding, network and transfer, waiting for writing; `decode` is "
    "summed over the workers."
)


def npz(folder: Path, n: int) -> None:
    """One file of arrays in memory: nothing to decode."""
    x = np.random.default_rng(0).integers(0, 256, (n, 224, 224), dtype=np.uint8)
    np.savez(folder / "data.npz", train_images=x, train_labels=np.arange(n)[:, None] % 2)


INPUTS: dict[str, tuple[Callable[[Path, int], None], int]] = {
    "224 x 224 PNG": (sized, 2048),
    "224 x 224 npz": (npz, 8192),
    "512 x 512 DICOM series": (series, 1000),
    "256 x 256 NIfTI slices": (volumes, 1600),
}
MODELS = ("dinov2_vits14", "dinov2_vitl14")


def rows(machine: Machine) -> Iterator[Row]:
    """A row for each kind of file and network."""
    for name, (make, frames) in INPUTS.items():
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text) / "data"
            folder.mkdir()
            make(folder, 4 if machine.dry else frames)
            source = folder / "data.npz" if make is npz else folder
            data = fp.load_dataset(source, label="none", cache=text) if make is not npz else (
                fp.load_dataset(source, cache=text)
            )  # fmt: skip
            for model in ("dinov2_vits14",) if machine.dry else MODELS:
                yield extracted(machine, name, model, data, Path(text) / model)


def extracted(machine: Machine, name: str, model: str, data: fp.Dataset, cache: Path) -> Row:
    """One run, after one batch has woken the device up."""
    size = 28 if machine.dry else None
    backbone = fp.load_backbone(model, init="random", image_size=size).to(machine.device)
    ready = np.zeros((1, *backbone.preprocess.size), np.uint8)
    backbone.forward(backbone.prepare(ready, 0, 255))
    machine.peak()
    precision = "float32" if machine.dry else "bf16"
    features = fp.extract(backbone, data, cache=cache, device=machine.device, precision=precision)
    s = features.summary
    seconds = s.new_frames / s.rate if s.rate else 0.0
    times = {f"{k}, s": s.times[k] for k in ("wait", "device", "blocked", "decode")}
    return {
        "input": name, "network": model, "frames": s.new_frames, "frames/s": s.rate,
        "of which": round(seconds, 2), **times, "GB": machine.peak(), "limit": s.bottleneck,
    }  # fmt: skip
