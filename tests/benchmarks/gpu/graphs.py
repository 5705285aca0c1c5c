"""Small networks in small batches: operation by operation, and as a graph of the card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

import featprobe as fp
from featprobe.extraction.device import Forward
from tests.benchmarks.gpu.machine import Cells, Machine
from tests.benchmarks.rows import Row

NOTE = (
    "Frames/s from normalised frames on the device, back on the host, under bf16 autocast, as they "
    "are (`eager`) and with `--compile graphs`. `GB`: at most with the graph, which keeps the "
    "memory of a pass. `same`: whether the features are, bit for bit."
)
MODELS = ("dinov2_vits14", "resnet18", "resnet50")
BATCHES = (8, 32, 128)
CALLS = 16  # batches in a row, as in an extraction


def rows(machine: Machine) -> Iterator[Cells]:
    """A row for each network and batch."""
    names, sizes = (("resnet18",), (2,)) if machine.dry else (MODELS, BATCHES)
    for name in names:
        backbone = machine.attempt(lambda name=name: network(name, machine))
        if isinstance(backbone, str):
            yield {"network": name, "eager": backbone}
            continue
        for batch in sizes:
            yield compared(machine, name, backbone, batch)


def network(name: str, machine: Machine) -> fp.Backbone:
    made = fp.load_backbone(name, init="random", image_size=56 if machine.dry else None)
    made.to(machine.device).channels_last()
    return made


def compared(machine: Machine, name: str, backbone: fp.Backbone, batch: int) -> Cells:
    """Both in turn; a graph that cannot be recorded is said."""
    x = torch.randn(batch, 3, *backbone.preprocess.size, device=machine.device)
    wanted = dict.fromkeys(backbone.default_outputs, 1)
    eager = Forward(backbone, wanted, "bf16", batch)
    graph = Forward(backbone, wanted, "bf16", batch, graphs=True)
    assert graph.replayed is not None
    if machine.dry:
        graph.replayed.record = again
    calls = 1 if machine.dry else CALLS
    cells: Cells = {"network": name, "batch": batch}

    def of(forward: Forward) -> tuple[Callable[[], Any], float]:
        run = lambda: [one.arrays() for one in [forward(x) for _ in range(calls)]]  # noqa: E731
        return run, calls * batch

    machine.peak()
    cells |= machine.rates({"eager": of(eager), "graph": of(graph)})
    cells["GB"] = machine.peak()
    if graph.replayed.why:
        return cells | {"graph": graph.replayed.why.replace("|", "/")[:120]}
    if not isinstance(cells["eager"], str) and not isinstance(cells["graph"], str):
        before, after = eager(x).arrays(), graph(x).arrays()
        cells["same"] = "yes" if all((before[n] == after[n]).all() for n in before) else "no"
        machine.hold(cells, "graph / eager", Row(
            f"{name}, batches of {batch}, as a graph / operation by operation",
            cells["graph"], cells["eager"], "frames/s", 1.0,
        ))  # fmt: skip
    return cells


def again(run: Callable[[], Any], device: torch.device) -> tuple[Any, Any]:
    """What stands in for a card on a CPU: a replay runs the pass again."""
    kept = run()

    def replay() -> None:
        for name, value in run().items():
            kept[name].copy_(value)

    return kept, SimpleNamespace(replay=replay)
