"""Visual prompts: learned tokens among those of a transformer (Jia et al. 2022, arXiv 2203.12119).

They are a submodule of the network, ``prompts``, so that they are part of its state dict and of
the hash of its weights. Hooks put them in front of the blocks; the network itself is unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.adapters import Tokens

NAME = "prompts"  # of the submodule


class Prompts(nn.Module):
    """``tokens`` (layers, number, width): of one layer they go in once, of more at every block.

    They start uniform in +-sqrt(6 / (3 patch^2 + width)), ``patch`` in pixels, as the authors' do
    (KMnP/vpt, ``src/models/vit_prompt/vit.py``). ``dropout`` acts on them in train mode.
    """

    def __init__(
        self, layers: int, number: int, width: int, patch: int = 16, dropout: float = 0.0
    ) -> None:
        super().__init__()
        bound = math.sqrt(6 / (3 * patch**2 + width))
        self.tokens = nn.Parameter(torch.empty(layers, number, width).uniform_(-bound, bound))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, block: int, prefix: int) -> Tensor:
        """What ``block`` is given, (B, T, D), with the prompts behind its ``prefix`` tokens.

        At block 0 they are added, (B, T + number, D); further on they take the place of those
        that the block before has made of them.
        """
        if x.ndim != 3 or x.shape[-1] != self.tokens.shape[-1]:
            raise ValueError(f"its blocks see {tuple(x.shape)}, which is no sequence of tokens")
        own = self.dropout(self.tokens[block]).to(x.dtype).expand(len(x), -1, -1)
        rest = prefix + (own.shape[1] if block else 0)
        return torch.cat([x[:, :prefix], own, x[:, rest:]], 1)


@dataclass
class _Insertion:
    """A hook in front of a block: an object, so that a copied network has prompts of its own."""

    prompts: Prompts
    block: int
    prefix: int

    def __call__(
        self, _module: nn.Module, args: tuple[Any, ...], given: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (self.prompts(args[0], self.block, self.prefix), *args[1:]), dict(given)
        tokens = self.prompts(given["hidden_states"], self.block, self.prefix)
        return (), {**given, "hidden_states": tokens}


def add_prompts(module: nn.Module, adapter: Tokens, prompts: Prompts) -> Tokens:
    """Put prompts into a network, in place; the adapter that leaves them out of all outputs.

    A head of the network's own that averages or attends to all tokens sees the prompts too.
    """
    module.add_module(NAME, prompts)
    for i, block in enumerate(adapter.blocks_of(module)[: len(prompts.tokens)]):
        hook = _Insertion(prompts, i, adapter.prefix)
        block.register_forward_pre_hook(hook, with_kwargs=True)
    return replace(adapter, prefix=adapter.prefix + prompts.tokens.shape[1])


def prompts_of(module: nn.Module) -> Prompts | None:
    """The prompts of a network, None where it has none."""
    found = getattr(module, NAME, None)
    return found if isinstance(found, Prompts) else None


def drop_prompts(module: nn.Module) -> None:
    """Take the prompts out again, in place."""
    delattr(module, NAME)
    for part in module.modules():
        hooks = part._forward_pre_hooks
        for key in [k for k, hook in hooks.items() if isinstance(hook, _Insertion)]:
            del hooks[key]
            part._forward_pre_hooks_with_kwargs.pop(key, None)
