"""A source whose processes are killed inside of calls to the system that a seed has chosen.

Fates are files; each process that reads takes one, if any is left, and is killed in the n-th call
of its kind that the store makes, a write when it is half done. Nothing depends on time.
"""

from __future__ import annotations

import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import featprobe as fp
from featprobe.images.decoded_image import DecodedImage, FrameRecipe
from featprobe.store import locks, storage_path
from tests.extraction.hostile import HostileSource

CALLS = ("open", "writev", "fsync", "replace", "close")


def fated(data: fp.Dataset, folder: Path, deaths: int, seed: int, shard: int) -> fp.Dataset:
    """The data set read by processes of which so many die; ``shard``: items of one."""
    rng = random.Random(seed)
    folder.mkdir()
    for i in range(deaths):
        (folder / f"{i}-{rng.choice(CALLS)}-{rng.randint(1, 3)}.fate").touch()
    return fp.Dataset(
        data.name, data.ids, FatedSource(data.source.paths, folder, os.getpid(), shard)
    )


def struck(folder: Path) -> int:
    """How many have died."""
    return len(list(folder.glob("*.struck")))


@dataclass(frozen=True)
class FatedSource(HostileSource):
    """``driver``: the process that is spared."""

    fates: Path
    driver: int
    shard: int

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        if os.getpid() != self.driver:
            Fate.of(self.fates).at = i // self.shard
        return super().read(i, recipe)


class Fate:
    """``os`` for the modules of a store, in which the process dies."""

    _own: Fate | None = None

    def __init__(self, folder: Path) -> None:
        self.folder, self.at = folder, -1
        self.call, self.left = "", 0
        for path in sorted(folder.glob("*.fate")):
            try:
                path.rename(path.with_suffix(".taken"))
            except FileNotFoundError:  # another process has taken it
                continue
            _, self.call, left = path.stem.split("-")
            self.left = int(left)
            break

    @classmethod
    def of(cls, folder: Path) -> Fate:
        if cls._own is None:
            cls._own = cls(folder)
            storage_path.os = locks.os = cls._own  # type: ignore[assignment]
        return cls._own

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name != self.call:
            return real

        def call(*given: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left <= 0 and self._dies():
                if name == "writev":
                    first = bytes(np.frombuffer(given[1][0], np.uint8))
                    os.write(given[0], first[: len(first) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        return call

    def _dies(self) -> bool:
        """Once in each shard: of three deaths in one the shard would be blamed, and rightly."""
        try:
            os.close(os.open(self.folder / f"{self.at}.struck", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True
