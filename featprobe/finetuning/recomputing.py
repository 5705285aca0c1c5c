"""Blocks that are computed twice, to keep less for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Both = tuple[AbstractContextManager, AbstractContextManager]


def recompute(blocks: Sequence[nn.Module]) -> None:
    """Let blocks keep only their input, in place; the backward pass computes the rest again.

    Statistics of norms by batch move once a step, as without it.
    """
    for block in blocks:
        block.forward = partial(
            checkpoint, block.forward, use_reentrant=False, context_fn=_contexts(block)
        )


def _contexts(block: nn.Module) -> Callable[[], Both]:
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm)]
    return lambda: (nullcontext(), _still(norms))


@contextmanager
def _still(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Norms use the batch they are given, but do not count it."""
    before = [(m, m.momentum, m.num_batches_tracked) for m in norms]
    for m in norms:
        m.momentum, m.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for m, momentum, number in before:
            m.momentum, m.num_batches_tracked = momentum, number
