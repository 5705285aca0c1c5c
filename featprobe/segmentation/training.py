"""Decoders trained by gradient steps: all rates and seeds side by side over the same batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from featprobe.core.devices import choose_device
from featprobe.core.errors import InputError
from featprobe.core.options import Checked, Needs
from featprobe.core.progress import Progress
from featprobe.core.stopwatch import spent, timed
from featprobe.core.threads import awake_torch_threads
from featprobe.core.tracking import track, tracked
from featprobe.segmentation.decoders.base import Decoder, Network, Trained
from featprobe.segmentation.items import SCALE, MaskedItems
from featprobe.segmentation.losses import Loss

LOGGED = 100  # losses of a training that are mirrored


@dataclass(frozen=True)
class Training(Checked):
    """How decoders are trained.

    ``lr``: rates, each of which is a decoder of its own; val chooses. ``epochs`` over the frames of
    the training items, in batches of ``batch`` frames, but at least ``min_steps``. ``optimizer``:
    ``adamw`` or ``sgd`` (with ``momentum``); ``schedule``: ``cosine`` or ``linear`` to 0, or
    ``constant``, after ``warmup`` steps (below 1: a part of all) of linear rise. ``clip``: largest
    norm of a decoder's gradient. ``scale``: cells along a patch on which the loss is taken and
    answers are given (no more than pixels). ``seed``: of the order of frames; seeds of decoders are
    given apart.
    """

    lr: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2)
    epochs: float = 10
    min_steps: int = 300
    batch: int = 32
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.0
    clip: float | None = None
    scale: int = SCALE
    seed: int = 0
    loss: Loss = field(default_factory=lambda: Loss("dice_ce"))

    needs: ClassVar[Needs] = {"momentum": ("optimizer", ("sgd",))}

    def owner(self) -> str:
        return "training of decoders"

    def check(self) -> None:
        if not self.lr or not all(0 < r < math.inf for r in self.lr):
            raise InputError(f"lr {list(self.lr)}: every learning rate must be positive")
        for name in ("epochs", "min_steps", "batch", "scale"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} {getattr(self, name)} must be positive")
        if not 0 <= self.momentum < 1 or min(self.weight_decay, self.warmup, self.seed) < 0:
            raise InputError(
                "momentum must be in [0, 1), weight_decay, warmup and seed not negative"
            )
        if self.clip is not None and self.clip <= 0:
            raise InputError(f"clip {self.clip} must be positive, or None for none")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        out = asdict(self)
        loss = out.pop("loss")
        out |= {"loss": loss.pop("kind"), **loss}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in out.items()}

    def middle(self) -> Training:
        """With one rate, the middle one, where nothing chooses."""
        return replace(self, lr=(sorted(self.lr)[len(self.lr) // 2],))

    def steps(self, frames: int) -> int:
        """How many steps are taken over so many frames."""
        passed = math.ceil(self.epochs * frames / min(self.batch, max(1, frames)))
        return max(1, self.min_steps, passed)

    def factor(self, step: int, steps: int) -> float:
        """What rates are multiplied with at a step, counted from 0."""
        rising = self.warmup if self.warmup >= 1 else self.warmup * steps
        rise = min(1.0, (step + 1) / (rising + 1))
        if self.schedule == "constant":
            return rise
        if self.schedule == "linear":
            return rise * (1 - step / steps)
        return rise * 0.5 * (1 + math.cos(math.pi * step / steps))


def usual(decoder: Decoder, **settings: Any) -> Training:
    """The training of a decoder where nothing else is asked for: its own rates."""
    rates = {"lr": decoder.rates} if isinstance(decoder, Trained) else {}
    return Training(**{**rates, **settings})


def train(
    decoder: Trained, items: MaskedItems, rows: np.ndarray, training: Training,
    seeds: Sequence[int] = (0,), *, device: str = "auto", progress: Any = False,
) -> list[Network]:  # fmt: skip
    """Networks of every seed and, within a seed, of every rate, trained on these items.

    All see the same batches in the same order; a seed draws the first weights, which are the same
    for all rates. What a network becomes does not depend on which others are trained beside it but
    for rounding. On a device the same seeds give the same networks. They come back in eval mode.
    """
    target = torch.device(choose_device(device))
    shape = items.shape(decoder)
    networks = []
    for seed in seeds:
        for _ in training.lr:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                networks.append(decoder.network(shape).to(target).train())
    rates = [r for _ in seeds for r in training.lr]
    optimizer = _optimizer(networks, rates, training)
    frames = sum(items.frames(int(i)) for i in rows)
    steps, batch = training.steps(frames), min(training.batch, max(1, frames))
    kind = type(networks[0])
    label = f"{decoder.name}, {len(networks)} decoders"
    threads = awake_torch_threads() if kind.small else nullcontext()
    with threads, Progress(label, steps * batch, "frames", progress) as bar:
        made = items.batches(rows, decoder, batch, steps, training.seed)
        for step, (tokens, y, image) in enumerate(timed(made, "reading tokens")):
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * training.factor(step, steps)
            with spent("network"):
                x, seen = tokens.to(target), None if image is None else image.to(target)
                optimizer.zero_grad()
                losses = training.loss(kind.together(networks, x, seen), y.to(target))
                losses.sum().backward()
                if training.clip is not None:
                    for network in networks:
                        torch.nn.utils.clip_grad_norm_(network.parameters(), training.clip)
                optimizer.step()
            if tracked() and (step % max(1, steps // LOGGED) == 0 or step + 1 == steps):
                track({f"{label}/loss": float(losses.detach().mean())}, step)
            bar.update((step + 1) * batch)
    return [n.eval() for n in networks]


def _optimizer(
    networks: Sequence[Network], rates: Sequence[float], t: Training
) -> torch.optim.Optimizer:
    groups = [{"params": list(n.parameters()), "lr": r} for n, r in zip(networks, rates)]
    if t.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=t.momentum, weight_decay=t.weight_decay, fused=True)
    return torch.optim.AdamW(groups, weight_decay=t.weight_decay, fused=True)
