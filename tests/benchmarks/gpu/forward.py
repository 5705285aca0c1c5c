"""Frames a second of forward passes, ours and bare, and the part of the matrix rate they use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch

import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.backbones.precisions import PURE
from featprobe.extraction.compiling import flops_of
from featprobe.extraction.device import Forward
from tests.benchmarks.gpu import Machine, Row

NOTE = (
    "Frames/s from normalised frames on the device. `ours`: features of all default outputs, back "
    "on the host. `bare`: the same network in a loop whose result stays on the device, under "
    "autocast, or of bfloat16 weights where ours are. `timm`: timm's network so. `of matrix rate`: "
    "ours, of the rate of one large bfloat16 product beside it. `GB`: at most, float32 weights "
    "included, from which the others are made."
)
# ours -> timm's, random weights on both sides; those that matter most are first
MODELS = {
    "dinov2_vitl14": "vit_large_patch14_dinov2.lvd142m",
    "dinov2_vits14": "vit_small_patch14_dinov2.lvd142m",
    "dinov2_vitb14": "vit_base_patch14_dinov2.lvd142m",
    "resnet50": "resnet50.a1_in1k",
    "dinov3_vitl16": "vit_large_patch16_dinov3.lvd1689m",
    "convnext_base": "convnext_base.fb_in1k",
    "dinov2_vitg14": "vit_giant_patch14_dinov2.lvd142m",
}
# compiled ones last: a network is made once, and its blocks stay compiled
MODES = (("bf16", False), (PURE, False), ("bf16", True), (PURE, True))
DRY = {"dinov2_vits14": "", "resnet18": ""}
SIDE = 8192  # of the matrices


def rows(machine: Machine) -> Iterator[Row]:
    """A row for each network and mode."""
    matrix = matrix_rate(machine)
    yield {"network": f"a product of {SIDE if not machine.dry else 64}, TFLOP/s", "ours": matrix}
    batch, size = (2, 56) if machine.dry else (128, None)
    for name, other in (DRY if machine.dry else MODELS).items():
        backbone = fp.load_backbone(name, init="random", image_size=size)
        flops = flops_of(backbone) / 1e12
        backbone.to(machine.device).channels_last()
        for precision, compiled in MODES:
            yield measured(machine, backbone, flops, other, precision, compiled, batch, matrix)
        del backbone
        torch._dynamo.reset()


def measured(
    machine: Machine, backbone: Backbone, flops: float, other: str, precision: str, compiled: bool,
    batch: int, matrix: float,
) -> Row:  # fmt: skip
    """One row; ``flops`` of a frame in 1e12, ``matrix`` in 1e12 a second."""
    x = torch.randn(batch, 3, *backbone.preprocess.size, device=machine.device)
    wanted = dict.fromkeys(backbone.default_outputs, 1)
    machine.peak()
    forward = Forward(backbone, wanted, precision, batch, compiled and not machine.dry)
    calls = 1 if machine.dry else 8

    def ours() -> None:
        for done in [forward(x) for _ in range(calls)]:
            done.arrays()

    rate = machine.rate(ours, calls * batch)
    row: Row = {
        "network": backbone.name.removesuffix("-random"), "px": backbone.preprocess.size[0],
        "mode": precision + (", compiled" if compiled else ""), "ours": rate,
    }  # fmt: skip
    row["GB"] = machine.peak()
    network = backbone.pure_module if precision == PURE else backbone.module
    row["bare"] = bare(machine, lambda y: backbone.adapter(network, y, wanted), x, precision)
    row["ours / bare"] = rate / row["bare"]
    if other and find_spec("timm"):
        row["timm"] = timm_rate(machine, other, x, precision, compiled)
    row["of matrix rate"] = rate * flops / matrix
    return row


def bare(machine: Machine, network: Callable[[Any], Any], x: Any, precision: str) -> float:
    """Frames/s of a loop over one batch whose results stay where they are."""
    pure = precision == PURE
    y = x.to(torch.bfloat16) if pure else x
    calls = 1 if machine.dry else 8

    @torch.inference_mode()
    def loop() -> None:
        with torch.autocast(machine.device, torch.bfloat16, enabled=not pure):
            for _ in range(calls):
                network(y)

    return machine.rate(loop, calls * len(x))


def timm_rate(machine: Machine, name: str, x: Any, precision: str, compiled: bool) -> float:
    """The same of timm's network of random weights."""
    import timm

    options = {} if "patch" not in name else {"img_size": x.shape[-1]}
    network = timm.create_model(name, pretrained=False, num_classes=0, **options)
    network = network.to(machine.device, memory_format=torch.channels_last).eval()
    network = network.to(torch.bfloat16) if precision == PURE else network
    return bare(machine, torch.compile(network) if compiled else network, x, precision)


def matrix_rate(machine: Machine) -> float:
    """TFLOP/s of one square product in bfloat16."""
    side, calls = (64, 1) if machine.dry else (SIDE, 10)
    a, b = (torch.randn(side, side, device=machine.device).bfloat16() for _ in range(2))
    out = a @ b

    def products() -> None:
        for _ in range(calls):
            torch.mm(a, b, out=out)

    return machine.rate(products, calls * 2 * side**3 / 1e12)
