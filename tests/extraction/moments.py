"""Signals that a process sends to itself at a chosen step of its work.

A test that watches another process and strikes when it has come far enough is late when the machine
is busy. Given as ``first`` to :func:`tests.extraction.commands.start`.
"""

from __future__ import annotations

import os
from typing import Any


class Strike:
    """The n-th call sends the signal."""

    def __init__(self, n: int, number: int) -> None:
        self.left, self.number = n, number

    def __call__(self, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def after_shards(n: int, number: int) -> None:
    """When so many shards have been committed."""
    from featprobe.store.base import FeatureStore

    write, strike = FeatureStore.write_shard, Strike(n, number)

    def write_shard(self: FeatureStore, *args: Any) -> None:
        write(self, *args)
        strike()

    FeatureStore.write_shard = write_shard  # type: ignore[method-assign]


def after_steps(n: int, number: int) -> None:
    """When an optimizer has made so many steps."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    register_optimizer_step_post_hook(Strike(n, number))


def in_a_checkpoint(n: int, number: int) -> None:
    """When half of the n-th checkpoint is in its file."""
    import torch

    save, strike = torch.save, Strike(n, number)

    def cut(value: Any, to: Any, *rest: Any, **more: Any) -> None:
        save(value, to, *rest, **more)
        if hasattr(to, "truncate") and strike.left == 1:
            to.truncate(to.tell() // 2)
            to.flush()
        strike()

    torch.save = cut
