"""What every fine-tuning asserts of itself: what trains, what stays, and where gradients arrive."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from featprobe.backbones.base import raw_bytes
from featprobe.core.errors import FeatprobeError, InputError

NAMED = 3  # in messages
STEPS = 5  # in which the last of the parameters has a gradient, where all before it start at zero


class BrokenPromise(FeatprobeError, RuntimeError):
    """A recipe did not do what it says: a bug, or a network it is not for. Nothing is kept."""


@dataclass(frozen=True)
class Count:
    """Parameters of a network: those that train, of them the head's, and all."""

    trainable: int
    head: int
    total: int

    def __str__(self) -> str:
        share = 100 * self.trainable / max(1, self.total)
        return (
            f"{self.trainable:,} of {self.total:,} parameters train ({share:.2f} %), "
            f"{self.head:,} of them in the head"
        )


def count(network: nn.Module, head: nn.Module) -> Count:
    """How many parameters a network has and trains."""
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return Count(
        sum(n for n, trains in sizes if trains),
        sum(p.numel() for p in head.parameters() if p.requires_grad),
        sum(n for n, _ in sizes),
    )


def frozen_state(network: nn.Module, live: Sequence[nn.Module]) -> dict[str, str]:
    """Name -> sha256 of all that training must leave bit-equal outside of the head: frozen
    parameters, and the buffers of modules that are not ``live``."""
    moving = {id(b) for module in live for b in module.buffers()}
    found: dict[str, Tensor] = {}
    found |= {n: p for n, p in network.named_parameters() if not p.requires_grad}
    found |= {n: b for n, b in network.named_buffers() if id(b) not in moving}
    inside = {n: t for n, t in found.items() if not n.startswith("head.")}
    return {n: hashlib.sha256(raw_bytes(t).data).hexdigest() for n, t in inside.items()}


def still_frozen(before: dict[str, str], after: dict[str, str]) -> None:
    """Raise :class:`BrokenPromise` where something frozen has moved, naming it."""
    moved = [n for n in before if before[n] != after.get(n)]
    if moved:
        raise BrokenPromise(f"frozen weights or statistics moved in training: {_few(moved)}")


def freeze_unreached(
    network: nn.Module, loss: Tensor, recipe: str, blocks: Sequence[nn.Module] = ()
) -> list[str]:
    """Names of trainable backbone parameters that the loss does not depend on; they are frozen.

    A mask token and the norm behind an output that is not used are such. ``loss``: of any batch;
    its graph is used up. Raises :class:`InputError` where it depends on nothing that is trained in
    the backbone, in one of its ``blocks`` or in the head: features computed without gradients
    train nothing.
    """
    named = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    lost = {n for (n, _), g in zip(named, found) if g is None}
    names = {id(p): n for n, p in named}
    parts = [[names[id(p)] for p in block.parameters() if id(p) in names] for block in blocks]
    parts.append([n for n, _ in named if not n.startswith("head.")])
    parts += [[n] for n, _ in named if n.startswith("head.")]
    for part in parts:
        if part and lost.issuperset(part):
            raise InputError(f"recipe {recipe}: no gradient arrives at {_few(part)}")
    for name, p in named:
        if name in lost:
            p.requires_grad_(False)
    return sorted(lost)


class Gradients:
    """Watches that every trainable parameter receives a gradient other than zero.

    LoRA's A and a block behind a LayerScale of zero have none at the first step, so each needs one
    at any step.
    """

    def __init__(self, named: Sequence[tuple[str, nn.Parameter]]) -> None:
        self.named = list(named)
        self.missing = {n for n, _ in self.named}
        self.steps = 0

    def see(self) -> None:
        """Look at the gradients of this step."""
        self.steps += 1
        if not self.missing:
            return
        waiting = [(n, p.grad) for n, p in self.named if n in self.missing]
        there = [(n, g) for n, g in waiting if g is not None]
        if there:
            norms = torch.stack(torch._foreach_norm([g for _, g in there])).float().cpu()
            self.missing -= {n for (n, _), v in zip(there, norms.tolist()) if v != 0}

    def check(self, recipe: str) -> None:
        """Raise :class:`BrokenPromise` for parameters without a gradient in enough steps."""
        if self.missing and self.steps >= STEPS:
            raise BrokenPromise(
                f"recipe {recipe}: in {self.steps} steps no gradient other than zero arrived at "
                f"{_few(sorted(self.missing))}"
            )


def no_batch_of_one(live: Sequence[nn.Module], rows: int) -> None:
    """Refuse parts of one item where layers normalise by the batch.

    ``rows``: items that go through the network together.
    """
    if rows > 1:
        return
    for module in live:
        for name, inner in module.named_modules():
            if isinstance(inner, nn.modules.batchnorm._BatchNorm):
                raise InputError(
                    f"{name or 'the network'} normalises by the batch (BatchNorm), and one item "
                    "has no statistics: use a larger --batch or a smaller --accumulate, or a "
                    "recipe that leaves it frozen (norm-only, bitfit, lora)"
                )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
