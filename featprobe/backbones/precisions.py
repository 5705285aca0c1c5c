"""In which numbers a network computes, and copies of networks that are changed or cast."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import nn

PURE = "bf16-pure"  # weights and all that is computed; the others keep weights in float32
PRECISIONS = {
    "float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, PURE: torch.bfloat16,
}  # fmt: skip


def pure(module: nn.Module, blocks_of: Callable[[nn.Module], Iterable[nn.Module]]) -> nn.Module:
    """A copy of a network with weights of bfloat16, half the bytes to read for each frame."""
    made = copy.deepcopy(module)
    as_written(blocks_of(made))
    return made.to(torch.bfloat16)


def as_written(blocks: Iterable[nn.Module]) -> list[nn.Module]:
    """The blocks without compiled forward passes: in a copy these read the weights they were made
    of, and they would be compiled once more."""
    found = list(blocks)
    for block in found:
        if hasattr(vars(block).get("forward"), "_torchdynamo_orig_callable"):
            del block.forward
    return found
