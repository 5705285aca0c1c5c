"""Linear heads trained by gradient steps, all learning rates as one batched problem.

The heads of a sweep see the same batches in the same order, so a step is one product of the batch
with the weights of all of them, and one of their residuals with the batch. What each head becomes
is what it would become alone: ``torch.nn.Linear`` under ``torch.optim.SGD`` or ``AdamW``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.devices import choose_device
from featprobe.core.errors import InputError
from featprobe.solvers.training import (
    Transform,
    batches,
    columns_of,
    first_weights,
    float32_rows,
    objective_of,
    steps_per_epoch,
)

if TYPE_CHECKING:
    import torch

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # of AdamW


@dataclass(frozen=True)
class Recipe:
    """How heads are trained.

    ``optimizer``: ``sgd`` (with ``momentum``) or ``adamw`` (betas 0.9 and 0.999). ``batch``: rows a
    step. ``epochs``, or else ``iterations``: how long. ``schedule``: ``cosine`` takes the learning
    rate to 0 over the run, ``constant`` keeps it; ``warmup``: steps over which it first rises
    linearly. ``clip``: largest gradient norm of a head, intercept included. ``weight_decay``: as in
    torch, coupled for SGD and decoupled for AdamW, on the intercept too. ``patience``: epochs
    without a lower loss on held-out rows after which a head rests; its best epoch is kept.
    ``reduction``: of labels, ``mean`` over the known ones of a batch, or ``sum`` over its rows of
    that mean, whose steps are as many times longer as there are rows; of classes it is the mean.
    ``start``: see :func:`~featprobe.solvers.training.first_weights`.
    """

    optimizer: str = "sgd"
    batch: int = 128
    epochs: float | None = None
    iterations: int = 12_500
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: int = 0
    clip: float | None = None
    patience: int | None = None
    seed: int = 0
    reduction: str = "mean"
    start: str | None = None

    def __post_init__(self) -> None:
        choices = {
            "optimizer": ("sgd", "adamw"), "schedule": ("cosine", "constant"),
            "reduction": ("mean", "sum"), "start": (None, "uniform"),
        }  # fmt: skip
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} {getattr(self, name)!r} is unknown: use {' or '.join(map(str, known))}"
                )
        if self.batch < 1 or self.iterations < 1 or (self.epochs is not None and self.epochs <= 0):
            raise InputError("batch, iterations and epochs must be positive")
        if self.warmup < 0 or self.seed < 0:
            raise InputError("warmup and seed must not be negative")
        if not 0 <= self.momentum < 1 or self.weight_decay < 0:
            raise InputError("momentum must be in [0, 1) and weight_decay not negative")
        if any(v is not None and v <= 0 for v in (self.clip, self.patience)):
            raise InputError("clip and patience must be positive, or None for neither")

    def steps(self, rows: int) -> int:
        """How many steps are taken on so many rows."""
        if self.epochs is None:
            return self.iterations
        return max(1, math.ceil(self.epochs * steps_per_epoch(rows, self.batch)))

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied with at a step, counted from 0."""
        rise = min(1.0, (step + 1) / (self.warmup + 1))
        if self.schedule == "constant":
            return rise
        return rise * 0.5 * (1 + math.cos(math.pi * step / steps))


@dataclass(frozen=True)
class Heads:
    """Weights of G heads: ``coef`` (G, C, D), ``intercept`` (G, C), float32.

    A head that diverged is zero everywhere: it scores all classes alike.
    """

    coef: np.ndarray
    intercept: np.ndarray

    @property
    def diverged(self) -> np.ndarray:
        """(G,) heads that are zero everywhere."""
        return np.abs(self.coef).max((1, 2)) == 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Logits (G, N, C) of float32 rows (N, D)."""
        g, c, d = self.coef.shape
        z = x @ self.coef.reshape(g * c, d).T + self.intercept.ravel()
        return z.reshape(len(x), g, c).transpose(1, 0, 2)


def train_heads(
    x: np.ndarray | Sequence[np.ndarray], y: np.ndarray, rates: Sequence[float], recipe: Recipe, *,
    transform: Transform | None = None,
    parts: tuple[np.ndarray, np.ndarray] | None = None, device: str = "auto",
) -> Heads:  # fmt: skip
    """Train a head with each learning rate.

    ``x`` (N, D), or several views (N, D) of the same rows, of which the e-th pass over the rows
    (e = 0, 1, ...) sees the one of number e modulo theirs; ``transform`` standardises blocks of
    rows. ``y`` int (N,) classes 0 .. C-1: softmax cross-entropy, the mean over the batch; or float
    (N, C) of 0, 1 and NaN: sigmoid cross-entropy, by ``recipe.reduction``. ``parts``: masks of the
    rows to fit and of those held out, for ``recipe.patience``.

    All heads start from one draw (:func:`~featprobe.solvers.training.first_weights`), so that a
    head does not depend on which others are trained.
    Deterministic on a device; what runs in float32 differs in the last digits between devices.
    """
    import torch

    if not len(rates) or not all(0 < r < math.inf for r in rates):
        raise InputError(f"every learning rate must be positive and finite, not {list(rates)}")
    target, heads, classes = choose_device(device), len(rates), columns_of(y)
    softmax = objective_of(y) == "softmax"
    views = [x] if isinstance(x, np.ndarray) else list(x)
    watch: _Watch | None = None
    if recipe.patience is not None and parts is not None:
        fit, held = parts
        first = _tensors(views[0][held], y[held], transform, target)
        watch = _Watch(*first, heads, recipe.patience)
        views, y = [v[fit] for v in views], y[fit]
    seen = [_tensors(v, y, transform, target) for v in views]
    labels = seen[0][1]
    rows = seen[0][0] if len(seen) == 1 else torch.cat([each for each, _ in seen])
    n, width = len(labels), rows.shape[1]
    start = first_weights(classes, width - 1, recipe.seed, recipe.start)
    weights = torch.from_numpy(start).to(target).repeat(heads, 1)  # (G C, D + 1)
    rate = torch.tensor(rates, dtype=torch.float32, device=target).repeat_interleave(classes)
    made = _Momentum if recipe.optimizer == "sgd" else _AdamW
    optimizer = made(weights, rate[:, None], heads, recipe)
    residuals = _softmax_residuals if softmax else _sigmoid_residuals
    steps, epoch = recipe.steps(n), steps_per_epoch(n, recipe.batch)
    batch = torch.empty(min(recipe.batch, n), width, device=target)
    summed = len(batch) if recipe.reduction == "sum" and not softmax else 1
    with torch.inference_mode():
        for step, index in enumerate(batches(n, recipe.batch, steps, recipe.seed)):
            chosen = torch.from_numpy(index).to(target)
            at = chosen
            if len(views) > 1:  # a batch may end one pass and begin the next
                passes = (step * len(index) + np.arange(len(index))) // n % len(views)
                at = chosen + torch.from_numpy(passes * n).to(target)
            torch.index_select(rows, 0, at, out=batch)
            logits = (weights @ batch.T).view(heads, classes, -1)
            r = residuals(logits, labels[chosen]).view(len(weights), -1).mul_(summed)
            optimizer.step(r, batch, recipe.factor(step, steps))
            looking = (step + 1) % epoch == 0 or step + 1 == steps
            if watch is not None and looking and watch.all_rest(weights):
                break
    kept = weights if watch is None else watch.best
    w = kept.view(heads, classes, width).cpu().numpy()
    w = np.where(np.isfinite(w).all((1, 2), keepdims=True), w, 0)
    return Heads(w[:, :, :-1].copy(), w[:, :, -1].copy())


def _tensors(
    x: np.ndarray, y: np.ndarray, transform: Transform | None, to: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows (N, D + 1), the last column of ones, and targets, on a device."""
    import torch

    kind = np.int64 if y.ndim == 1 else np.float32
    rows = torch.from_numpy(float32_rows(x, transform, constant=True))
    return rows.to(to), torch.from_numpy(y.astype(kind)).to(to)


def _softmax_residuals(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Gradient of the mean cross-entropy by logits (G, C, B), for classes (B,)."""
    p = logits.softmax(1)
    # scattering into the one-hot matrix once is cheaper than into the residuals of every head
    hot = p.new_zeros(p.shape[1:]).scatter_(0, labels[None], 1)
    return p.sub_(hot).div_(len(labels))


def _sigmoid_residuals(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Gradient of the mean cross-entropy by logits (G, C, B), for known labels of (B, C)."""
    known = ~labels.isnan()
    p = logits.sigmoid().sub_(labels.nan_to_num().T)
    return p.mul_(known.T).div_(known.sum().clamp_min(1))


class _Momentum:
    """``torch.optim.SGD`` with momentum, weights (G C, D + 1) and a rate (G C, 1) for each row."""

    def __init__(
        self, weights: torch.Tensor, rate: torch.Tensor, heads: int, recipe: Recipe
    ) -> None:
        self.weights, self.rate, self.heads, self.recipe = weights, rate, heads, recipe
        self.velocity = weights.new_zeros(weights.shape)

    def step(self, residuals: torch.Tensor, batch: torch.Tensor, factor: float) -> None:
        momentum, v = self.recipe.momentum, self.velocity
        if self.recipe.clip is None and not self.recipe.weight_decay:
            v.addmm_(residuals, batch, beta=momentum)  # no pass over the gradient of its own
        else:
            g = _gradient(residuals, batch, self.heads, self.recipe.clip)
            v.mul_(momentum).add_(g.add_(self.weights, alpha=self.recipe.weight_decay))
        self.weights.addcmul_(v, self.rate, value=-factor)


class _AdamW:
    """``torch.optim.AdamW``, weights (G C, D + 1) and a rate (G C, 1) for each row."""

    def __init__(
        self, weights: torch.Tensor, rate: torch.Tensor, heads: int, recipe: Recipe
    ) -> None:
        self.weights, self.rate, self.heads, self.recipe = weights, rate, heads, recipe
        self.first, self.second = (weights.new_zeros(weights.shape) for _ in range(2))
        self.taken = 0

    def step(self, residuals: torch.Tensor, batch: torch.Tensor, factor: float) -> None:
        g = _gradient(residuals, batch, self.heads, self.recipe.clip)
        self.taken += 1
        first, second = (1 - b**self.taken for b in _BETAS)
        self.weights.mul_(1 - self.rate * (factor * self.recipe.weight_decay))
        self.first.lerp_(g, 1 - _BETAS[0])
        self.second.mul_(_BETAS[1]).addcmul_(g, g, value=1 - _BETAS[1])
        size = (self.second.sqrt() / math.sqrt(second)).add_(_EPSILON)
        self.weights.addcmul_(self.first / size, self.rate, value=-factor / first)


def _gradient(
    residuals: torch.Tensor, batch: torch.Tensor, heads: int, clip: float | None
) -> torch.Tensor:
    """(G C, D + 1), scaled down in heads where its norm exceeds ``clip``."""
    g = residuals @ batch
    if clip is not None:
        each = g.view(heads, -1)
        each *= (clip / (each.norm(dim=1, keepdim=True) + 1e-6)).clamp_max(1)
    return g


class _Watch:
    """The weights of each head at its lowest loss on held-out rows."""

    def __init__(self, rows: torch.Tensor, labels: torch.Tensor, heads: int, patience: int) -> None:
        self.rows, self.labels, self.heads, self.patience = rows, labels, heads, patience
        self.lowest = rows.new_full((heads,), math.inf)
        self.waited = rows.new_zeros(heads)
        self.best = rows.new_zeros(0)

    def all_rest(self, weights: torch.Tensor) -> bool:
        """Look at the heads after an epoch; True when none is worth going on with."""
        loss = self._losses(weights)
        better = (loss < self.lowest) & (self.waited < self.patience)
        self.lowest = loss.where(better, self.lowest)
        self.waited = (self.waited + 1).where(~better, 0)
        rows = better.repeat_interleave(len(weights) // self.heads)[:, None]
        self.best = weights.where(rows, self.best) if len(self.best) else weights.clone()
        return bool((self.waited >= self.patience).all())

    def _losses(self, weights: torch.Tensor) -> torch.Tensor:
        """(G,) mean cross-entropy."""
        from torch.nn import functional as F

        logits = (weights @ self.rows.T).view(self.heads, -1, len(self.rows))
        if self.labels.ndim == 1:
            labels = self.labels.expand(self.heads, -1)
            return F.cross_entropy(logits, labels, reduction="none").mean(1)
        labels = self.labels.T.nan_to_num().expand(logits.shape)
        loss = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        known = ~self.labels.isnan().T
        return (loss * known).sum((1, 2)) / known.sum().clamp_min(1)
