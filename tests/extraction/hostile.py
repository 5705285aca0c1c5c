"""A source whose items kill or hang whatever decodes them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from featprobe.images import files
from featprobe.images.decoded_image import DecodedImage, FrameRecipe


@dataclass(frozen=True)
class HostileSource:
    """Files; the name of one says what happens when it is read."""

    paths: Sequence[tuple[Path, ...]]

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        return len(self.read(i, recipe).pixels) if recipe.frames == "foreground" else 1

    def kinds(self) -> set[str]:
        return {"picture"}

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        name = self.paths[i][0].name
        if name.startswith("kills"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if name.startswith("exits"):
            os._exit(3)
        if name.startswith("hangs"):
            time.sleep(600)
        if name.startswith("held"):
            self.paths[i][0].with_suffix(".reached").touch()
            while not (self.paths[i][0].parent / "released").exists():
                time.sleep(0.01)
            time.sleep(0.1)
        once = self.paths[i][0].with_suffix(".once")
        if name.startswith("dies_once") and not once.exists():
            once.touch()
            os._exit(1)
        if name.startswith("killed_once") and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return files.read(self.paths[i], recipe)

    def contents(self, progress: object = None) -> list[str]:
        return [str(p[0]) for p in self.paths]
