"""How much of the device's matrix rate a forward pass uses (model FLOPs utilisation).

Frames a second times the FLOPs of a frame, over the rate of one large matrix product of the same
precision, measured beside it. FLOPs are those of matrix products and convolutions as torch's
counter sees them; attention is counted whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch

import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.backbones.precisions import PRECISIONS
from featprobe.extraction.compiling import flops_of
from featprobe.extraction.device import Forward
from tests.benchmarks.rows import Row, in_turn, median_of

CUDA = torch.cuda.is_available()
DEVICE, PRECISION = ("cuda", "bf16") if CUDA else ("cpu", "float32")
# model -> what has to be reached
MODELS: dict[str, float | None] = {"dinov2_vits14": None}
if CUDA:
    MODELS |= {"dinov2_vitb14": None, "dinov2_vitl14": 0.60, "dinov2_vitg14": None}
    MODELS |= {"resnet50": None}
BATCH, BATCHES = (128, 20) if CUDA else (16, 6)
SIDE = 8192 if CUDA else 2048  # of the square matrices


def rows(runs: int) -> Iterator[Row]:
    """A row for each model, as it is written and, on a GPU, compiled."""
    for name, must in MODELS.items():
        for compiled in (False, True) if CUDA else (False,):
            backbone = fp.load_backbone(name, init="random").to(DEVICE)
            backbone.channels_last()
            yield utilisation(name, backbone, compiled, must, runs)


def utilisation(
    name: str, backbone: Backbone, compiled: bool, must: float | None, runs: int
) -> Row:
    """FLOP/s of the forward pass against those of a matrix product, in TFLOP/s."""
    flops = flops_of(backbone)
    x = torch.randn(BATCH, 3, *backbone.preprocess.size, device=DEVICE)
    forward = Forward(
        backbone, dict.fromkeys(backbone.default_outputs, 1), PRECISION, BATCH, compiled
    )

    def batches() -> None:
        for done in [forward(x) for _ in range(BATCHES)]:
            done.arrays()

    batches()
    ours, theirs = in_turn(
        runs, lambda: BATCHES * BATCH * flops / seconds(batches) / 1e12,
        lambda: matrix_rate() / 1e12,
    )  # fmt: skip
    frames = median_of(ours) * 1e12 / flops
    return Row(
        f"{name}{', compiled' if compiled else ''}: of the {PRECISION} matrix rate on {DEVICE}",
        median_of(ours), median_of(theirs), "TFLOP/s", must if compiled else None,
        note=f"{frames:.1f} frames/s, {flops / 1e9:.2f} GFLOP each, batch {BATCH}", runs=runs,
    )  # fmt: skip


def matrix_rate() -> float:
    """FLOP/s of one square product."""
    dtype = PRECISIONS[PRECISION]
    a, b = (torch.randn(SIDE, SIDE, device=DEVICE, dtype=dtype) for _ in range(2))
    out = a @ b

    def products() -> None:
        for _ in range(10):
            torch.mm(a, b, out=out)

    products()
    return 10 * 2 * SIDE**3 / seconds(products)


def seconds(run: Callable[[], None]) -> float:
    """How long it takes, the device's work included."""
    if CUDA:
        torch.cuda.synchronize()
    begin = time.perf_counter()
    run()
    if CUDA:
        torch.cuda.synchronize()
    return time.perf_counter() - begin
