"""The 52-head linear sweep of DINOv2 on cached features, against the same sweep head by head."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featprobe.probes.sgd import RATES, SGDProbe
from featprobe.solvers.training import batches
from tests.benchmarks.rows import Row, side_by_side

ROWS, STEPS, WHOLE, BATCH = 50_000, 500, 12_500, 128
VIEWS = {"cls": 1, "cls:4": 4, "cls+mean": 2, "cls:4+mean": 5}  # name -> vectors joined


def rows(runs: int) -> Iterator[Row]:
    """Features of a ViT-S (384) and a ViT-L (1024), few classes and as many as ChestX-ray14's."""
    for width, classes in ((384, 2), (384, 14), (1024, 2), (1024, 14)):
        yield sweep(width, classes, runs)


def sweep(width: int, classes: int, runs: int) -> Row:
    """Minutes of the whole sweep, 13 rates x 4 views, on the same batches in the same order.

    What is timed is ``STEPS`` of the steps. Ours has a start, in which features are copied, and
    which is timed by itself to be counted once. Of theirs one rate a view is trained: the other
    twelve would take as long.
    """
    rng = np.random.default_rng(0)
    joined = rng.normal(size=(ROWS, 5 * width)).astype(np.float32)
    views = [np.ascontiguousarray(joined[:, : n * width]) for n in VIEWS.values()]
    y = rng.integers(0, classes, ROWS)

    def batched(steps: int) -> None:
        for x in views:
            SGDProbe(iterations=steps, batch=BATCH, standardize=False).fit_candidates(x, y)

    def one_rate() -> None:
        for x in views:
            head(x, y, RATES[-1] * BATCH / 256, classes)

    batched(1)  # importing torch is no part of it
    start, _ = side_by_side(lambda: batched(1), lambda: None, runs)
    ours, theirs = side_by_side(lambda: batched(STEPS), one_rate, runs)
    whole = start + (ours - start) * WHOLE / STEPS
    loop = theirs * len(RATES) * WHOLE / STEPS
    note = f"from {STEPS} of {WHOLE} steps; {ROWS} x {width}, 4 views, {classes} classes"
    name = "52-head sweep, head by head in torch / batched"
    return Row(name, loop / 60, whole / 60, "min", 10, note=note, runs=runs)


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
