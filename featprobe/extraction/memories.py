"""Shared memory in which pictures came, lent to a decoder again when a picture is gone."""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np

from featprobe.extraction.worker import Memory

MOST, LARGEST = 16, 8 << 20  # that are kept: how many, and bytes of each
WATCHED = 64  # pictures whose end is waited for: each holds a descriptor until then


class Memories:
    """What is free, the last one used first. May be called from any thread."""

    def __init__(self) -> None:
        self.free: deque[Memory] = deque()
        self.used: set[Memory] = set()

    def take(self) -> Memory | None:
        """A memory to lend, which is the caller's until it is given back or closed."""
        try:
            return self.free.pop()
        except IndexError:
            return None

    def give(self, memory: Memory) -> None:
        """Keep it for another picture, where there are not enough yet."""
        if memory.size > LARGEST or len(self.free) >= MOST:
            memory.close()
        else:
            self.free.append(memory)

    def until_gone(self, pixels: np.ndarray, memory: Memory) -> None:
        """Give a memory back when neither ``pixels`` nor any view of them is left."""
        if memory.size > LARGEST or len(self.used) >= WATCHED:
            memory.close()
            return
        owner = pixels
        while isinstance(owner.base, np.ndarray):  # views hold this one, whatever they are of
            owner = owner.base
        self.used.add(memory)
        weakref.finalize(owner, self._gone, memory).atexit = False

    def _gone(self, memory: Memory) -> None:
        self.used.discard(memory)
        self.give(memory)

    def close(self) -> None:
        """Keep none."""
        while (memory := self.take()) is not None:
            memory.close()
