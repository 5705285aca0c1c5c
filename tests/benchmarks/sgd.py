"""The 52-head linear sweep of DINOv2 on cached features, against the same sweep head by head."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featprobe.probes.sgd import RATES, SGDProbe
from featprobe.solvers.training import batches
from tests.benchmarks.rows import Row, side_by_side

ROWS, STEPS, BATCH = 50_000, 1000, 128
VIEWS = {"cls": 1, "cls:4": 4, "cls+mean": 2, "cls:4+mean": 5}  # name -> vectors joined


def rows(runs: int) -> Iterator[Row]:
    """Features of a ViT-S (384) and a ViT-L (1024), few classes and as many as ChestX-ray14's."""
    for width, classes in ((384, 2), (384, 14), (1024, 2), (1024, 14)):
        yield sweep(width, classes, runs)


def sweep(width: int, classes: int, runs: int) -> Row:
    """Steps of a head in a second, on the same batches in the same order.

    Ours are 13 heads for each of 4 views, copying the features included. Of theirs one rate a view
    is trained: the other twelve would take as long, and are not there to be waited for.
    """
    rng = np.random.default_rng(0)
    joined = rng.normal(size=(ROWS, 5 * width)).astype(np.float32)
    views = [joined[:, : n * width].copy() for n in VIEWS.values()]
    y = rng.integers(0, classes, ROWS)

    def batched() -> None:
        for x in views:
            SGDProbe(iterations=STEPS, batch=BATCH, standardize=False).fit_candidates(x, y)

    def one_by_one() -> None:
        for x in views:
            head(x, y, RATES[-1] * BATCH / 256, classes)

    ours, theirs = side_by_side(batched, one_by_one, runs)
    note = f"{STEPS} of 12,500 steps, {ROWS} x {width} (4 views), {classes} classes"
    steps = STEPS * len(VIEWS)
    name = "52-head sweep, batched / head by head in torch"
    return Row(
        name, steps * len(RATES) / ours, steps / theirs, "head steps/s", 10, note=note
    )  # fmt: skip


def head(x: np.ndarray, y: np.ndarray, rate: float, classes: int) -> None:
    """One head as torch trains it."""
    import torch

    features, labels = torch.from_numpy(x), torch.from_numpy(y)
    linear = torch.nn.Linear(x.shape[1], classes)
    torch.nn.init.normal_(linear.weight, std=0.01)
    torch.nn.init.zeros_(linear.bias)
    optimizer = torch.optim.SGD(linear.parameters(), lr=rate, momentum=0.9, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS, eta_min=0)
    loss = torch.nn.CrossEntropyLoss()
    for index in batches(len(x), BATCH, STEPS, 0):
        chosen = torch.from_numpy(index)
        optimizer.zero_grad()
        loss(linear(features[chosen]), labels[chosen]).backward()
        optimizer.step()
        schedule.step()
