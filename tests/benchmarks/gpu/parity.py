"""What lower precision does to features, and to the labels that their neighbours give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import featprobe as fp
from featprobe.core.numeric import unit_rows
from featprobe.extraction.device import Forward
from featprobe.probes.knn import KNNProbe
from tests.benchmarks.gpu.machine import Cells, Machine
from tests.benchmarks.rows import Row

NOTE = (
    "Random weights, images of 20 textures in noise, half to look up and half to ask. Cosine with "
    "the float32 features of the same image, and the accuracy of kNN (k = 20) when all features "
    "are of that precision. float32 is as torch computes it by default."
)
MODELS = ("dinov2_vits14", "dinov2_vitl14", "resnet50")
MODES = (("float32", False), ("bf16", False), ("fp16", False), ("bf16-pure", False), ("bf16", True))
CLASSES = 20
LEAST = 0.99  # goal: cosine of any image


def rows(machine: Machine) -> Iterator[Cells]:
    """A row for each network and mode; compiled ones last, since they take long to make."""
    count, batch, size = (40, 20, 28) if machine.dry else (2000, 100, None)
    names = ("dinov2_vits14",) if machine.dry else MODELS
    made = {n: fp.load_backbone(n, init="random", image_size=size) for n in names}
    x, y = textures(count, next(iter(made.values())).preprocess.size[0])
    exact: dict[str, np.ndarray] = {}
    for precision, compiled in MODES:
        if machine.dry and precision == "fp16":
            continue  # which CPUs have no kernels for
        for name, backbone in made.items():
            row = {"network": name, "mode": precision + (", compiled" if compiled else "")}

            def run(b=backbone, precision=precision, compiled=compiled) -> np.ndarray:
                real = compiled and not machine.dry
                forward = Forward(
                    b.to(machine.device), {b.default_outputs[0]: 1}, precision, batch, real
                )
                parts = [
                    next(iter(forward(part.to(machine.device)).arrays().values()))[:, -1]
                    for part in x.split(batch)
                ]
                return np.concatenate(parts).astype(np.float32)

            features = machine.attempt(run)
            if isinstance(features, str):
                yield {**row, "mean cosine": features}
                continue
            row["kNN accuracy"] = machine.attempt(lambda f=features: accuracy(f, y))
            if precision == "float32":
                exact[name] = features
            if name in exact:
                cosine = (unit_rows(exact[name]) * unit_rows(features)).sum(1)
                row["mean cosine"] = float(cosine.mean())
                machine.hold(row, "least", Row(
                    f"{name}, {row['mode']}: least cosine with float32", float(cosine.min()), 1,
                    "", LEAST,
                ))  # fmt: skip
                row["answers as float32"] = machine.attempt(
                    lambda f=features, e=exact[name]: agreement(e, f, y)
                )
            yield row
            if compiled:
                torch._dynamo.reset()


def textures(n: int, side: int) -> tuple[torch.Tensor, np.ndarray]:
    """Frames (n, 3, side, side) of classes that differ by the spectrum of a grating, and (n,)."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(n) % CLASSES
    at = torch.linspace(0, 1, side)
    angle = (y / CLASSES * torch.pi)[:, None, None]
    wave = 12 * (at[:, None] * angle.sin() + at[None, :] * angle.cos())
    shift = torch.rand(n, 1, 1, generator=g)
    clean = torch.sin(2 * torch.pi * (wave + shift))
    noisy = clean + 1.5 * torch.randn(n, side, side, generator=g)
    return noisy[:, None].expand(-1, 3, -1, -1), y.numpy()


def answers(features: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The classes that the first half gives to the second."""
    half = len(y) // 2
    probe = KNNProbe(k=min(20, half // 2), device="cpu").fit(features[:half], y[:half])
    return probe.predict(features[half:])


def accuracy(features: np.ndarray, y: np.ndarray) -> float:
    return float((answers(features, y) == y[len(y) // 2 :]).mean())


def agreement(exact: np.ndarray, features: np.ndarray, y: np.ndarray) -> float:
    return float((answers(exact, y) == answers(features, y)).mean())
