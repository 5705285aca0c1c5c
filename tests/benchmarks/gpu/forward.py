"""Frames a second of forward passes, ours and bare, and the part of the matrix rate they use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch

import featprobe as fp
from featprobe.backbones.base import Backbone
from featprobe.backbones.precisions import PURE
from featprobe.extraction.compiling import decide, flops_of, kind_of, missing
from featprobe.extraction.device import Forward
from tests.benchmarks.gpu.machine import Cells, Machine
from tests.benchmarks.rows import Row

NOTE = (
    "Frames/s from normalised frames on the device, medians of rounds in turn. `ours`: features of "
    "all default outputs, back on the host. `bare`: the same network in a loop whose result stays "
    "on the device, under autocast, or of bfloat16 weights where ours are. `timm`: timm's network "
    "so. `of matrix rate`: ours, of the rate of one large bfloat16 product beside it. `GB`: at "
    "most, float32 weights included, from which the others are made. Compiled networks come last: "
    "`first, s` is the first batch with compiling, `again, s` the same with what is kept on disk; "
    "`auto` is what `--compile auto` would do for a million frames."
)
# ours -> timm's, random weights on both sides; those that matter most are first
MODELS = {
    "dinov2_vitl14": "vit_large_patch14_dinov2.lvd142m",
    "dinov2_vits14": "vit_small_patch14_dinov2.lvd142m",
    "dinov2_vitb14": "vit_base_patch14_dinov2.lvd142m",
    "resnet50": "resnet50.a1_in1k",
    "dinov3_vitl16": "vit_large_patch16_dinov3.lvd1689m",
    "convnext_base": "convnext_base.fb_in1k",
}
LARGEST = {"dinov2_vitg14": "vit_giant_patch14_dinov2.lvd142m"}  # half a minute to make: last
PRECISIONS = ("bf16", PURE)
# where compiling gains most is first, and where it is said to gain nothing last
COMPILED = ("dinov3_vitl16", "resnet50", "dinov2_vitl14", "convnext_base", "dinov2_vits14")
DRY = {"dinov2_vits14": "", "resnet18": ""}
SIDE = 8192  # of the matrices
CALL = 1e14  # FLOPs of one timed call, about: a quarter of a second of a large card
KEPT = 0.90  # goal: of a bare loop on the same card
USED = {"dinov2_vitl14": 0.60, "dinov3_vitl16": 0.60}  # goal: of the matrix rate


def rows(machine: Machine) -> Iterator[Cells]:
    """A row for each network and precision, then the compiled ones: they take long to make."""
    matrix = matrix_rate(machine)
    yield {"network": f"a product of {SIDE if not machine.dry else 64}, TFLOP/s", "ours": matrix}
    made: dict[str, tuple[Backbone, float]] = {}
    rates: dict[tuple[str, str], Any] = {}

    def eager(name: str, other: str) -> Iterator[Cells]:
        backbone = machine.attempt(lambda: network(name, machine))
        if isinstance(backbone, str):
            yield {"network": name, "ours": backbone}
            return
        flops = flops_of(backbone)
        made[name] = backbone, flops
        for precision in PRECISIONS:
            row = measured(machine, backbone, flops, other, precision, False, matrix)
            rates[name, precision] = row["ours"]
            found = decide(10**6, flops, kind_of(backbone), machine.device, precision)
            yield {**row, "auto": "compiled" if found.compiled else "as it is"}
        backbone.to("cpu")

    def compiled(name: str) -> Iterator[Cells]:
        backbone, flops = made[name]
        backbone.to(machine.device)
        for precision in PRECISIONS:
            row = measured(machine, backbone, flops, "", precision, True, matrix)
            before, after = rates[name, precision], row["ours"]
            if isinstance(before, float) and isinstance(after, float):
                machine.hold(row, "of eager", Row(
                    f"{name}, {precision}: compiled / as it is", after, before, "frames/s", 1.0,
                ))  # fmt: skip
            yield row
        backbone.to("cpu")
        torch._dynamo.reset()

    for name, other in (DRY if machine.dry else MODELS).items():
        yield from eager(name, other)
    if lacks := missing(machine.device):
        yield {"network": "compiled", "ours": f"left out: {lacks} is not installed"}
    else:
        for name in DRY if machine.dry else COMPILED:
            if name in made:
                yield from compiled(name)
    if not machine.dry:
        made.clear()
        for name, other in LARGEST.items():
            yield from eager(name, other)


def network(name: str, machine: Machine) -> Backbone:
    """One with random weights on the device."""
    backbone = fp.load_backbone(name, init="random", image_size=56 if machine.dry else None)
    backbone.to(machine.device).channels_last()
    return backbone


def measured(
    machine: Machine, backbone: Backbone, flops: float, other: str, precision: str, compiled: bool,
    matrix: float,
) -> Cells:  # fmt: skip
    """One row; ``flops`` of a frame, ``matrix`` in 1e12 a second. What fails is said in the row."""
    batch = 2 if machine.dry else 128
    name = backbone.name.removesuffix("-random")
    mode = precision + (", compiled" if compiled else "")
    row: Cells = {"network": name, "px": backbone.preprocess.size[0], "mode": mode}
    x = torch.randn(batch, 3, *backbone.preprocess.size, device=machine.device)
    wanted = dict.fromkeys(backbone.default_outputs, 1)
    calls = 1 if machine.dry else max(1, min(8, round(CALL / (flops * batch))))
    real = compiled and not machine.dry
    machine.peak()

    def made() -> Forward:
        begin = time.perf_counter()
        forward = Forward(backbone, wanted, precision, batch, real)
        forward(x).arrays()
        if real:
            row["first, s"] = time.perf_counter() - begin
        return forward

    forward = machine.attempt(made)
    row["GB"] = machine.peak()
    if isinstance(forward, str):
        return row | {"ours": forward}
    if real:
        row["again, s"] = machine.attempt(lambda: compiled_again(backbone, wanted, precision, x))
    module = backbone.pure_module if precision == PURE else backbone.module
    runs = {"ours": lambda: [one.arrays() for one in [forward(x) for _ in range(calls)]]}
    runs["bare"] = bare(machine, lambda y: backbone.adapter(module, y, wanted), x, precision, calls)
    if other and find_spec("timm"):
        found = machine.attempt(lambda: timm_network(machine, other, x, precision))
        if isinstance(found, str):
            row["timm"] = found
        else:
            runs["timm"] = bare(machine, found, x, precision, calls)
    row |= machine.rates({name: (run, calls * batch) for name, run in runs.items()})
    if isinstance(row["ours"], str):
        return row
    if isinstance(row["bare"], float):
        must = None if compiled else KEPT
        machine.hold(row, "ours / bare", Row(
            f"{name}, {mode}: of a bare loop", row["ours"], row["bare"], "frames/s", must,
        ))  # fmt: skip
    machine.hold(row, "of matrix rate", Row(
        f"{name}, {mode}: of the matrix rate", row["ours"] * flops / 1e12, matrix, "TFLOP/s",
        USED.get(name),
    ))  # fmt: skip
    return row


def compiled_again(backbone: Backbone, wanted: Any, precision: str, x: Any) -> float:
    """Seconds of the first batch when what was compiled is on disk."""
    torch._dynamo.reset()
    begin = time.perf_counter()
    Forward(backbone, wanted, precision, len(x), True)(x).arrays()
    return time.perf_counter() - begin


def bare(
    machine: Machine, network: Callable[[Any], Any], x: Any, precision: str, calls: int
) -> Callable[[], None]:
    """A loop over one batch whose results stay where they are."""
    pure = precision == PURE
    y = x.to(torch.bfloat16) if pure else x

    @torch.inference_mode()
    def loop() -> None:
        with torch.autocast(machine.device, torch.bfloat16, enabled=not pure):
            for _ in range(calls):
                network(y)

    return loop


def timm_network(machine: Machine, name: str, x: Any, precision: str) -> Any:
    """timm's network of random weights, as it is."""
    import timm

    options = {} if "patch" not in name else {"img_size": x.shape[-1]}
    with torch.device(machine.device):  # random numbers come from there, many times as fast
        network = timm.create_model(name, pretrained=False, num_classes=0, **options)
    network = network.to(machine.device, memory_format=torch.channels_last).eval()
    return network.to(torch.bfloat16) if precision == PURE else network


def matrix_rate(machine: Machine) -> float:
    """TFLOP/s of one square product in bfloat16."""
    side, calls = (64, 1) if machine.dry else (SIDE, 10)
    a, b = (torch.randn(side, side, device=machine.device).bfloat16() for _ in range(2))
    out = a @ b

    def products() -> None:
        for _ in range(calls):
            torch.mm(a, b, out=out)

    return machine.rate(products, calls * 2 * side**3 / 1e12)
