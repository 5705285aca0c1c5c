"""Items that are several 2D files: the slices of one examination exported as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import FileSource
from featprobe.images import files, frames
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, ImageHeader
from featprobe.splits.study_draws import natural as by_number


def natural(path: Path) -> list[str | int]:
    """Sort key of a file name in which ``10`` follows ``9``."""
    return by_number(path.name)


@dataclass(frozen=True)
class StackSource(FileSource):
    """Items whose files are their frames, in order.

    Slices of unequal size are centred on black to the largest height and width of the item, with
    a note; a mixture of grey and colour becomes colour.
    """

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        if recipe.frames == "foreground":
            return len(self.read(i, recipe).pixels)
        return frames.count(
            ImageHeader((1, 1, len(self.paths[i]))), recipe
        )  # any size: it is not asked

    def header(self, i: int, recipe: FrameRecipe) -> ImageHeader:
        sizes = [files.header((path,), FrameRecipe()).shape for path in self.paths[i]]
        width, height = max(s[0] for s in sizes), max(s[1] for s in sizes)
        return ImageHeader((width, height, len(sizes)))

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        return frames.choose(self._stack(i), recipe)

    def _stack(self, i: int) -> DecodedImage:
        slices = []
        for path in self.paths[i]:
            picture = files.read((path,), FrameRecipe())  # the rule is for the stack, not a slice
            if len(picture.pixels) != 1:
                raise InputError(f"{path}: {len(picture.pixels)} frames; a slice is one")
            slices.append(picture.pixels[0])
        if len({s.ndim for s in slices}) > 1:
            slices = [s if s.ndim == 3 else np.repeat(s[..., None], 3, 2) for s in slices]
        shapes = {s.shape for s in slices}
        if len(shapes) == 1:
            return DecodedImage(np.stack(slices))
        size = np.max([s.shape for s in slices], axis=0)
        out = np.zeros((len(slices), *size), dtype=np.result_type(*slices))
        for frame, s in zip(out, slices):
            y, x = (size[:2] - s.shape[:2]) // 2
            frame[y : y + s.shape[0], x : x + s.shape[1]] = s
        note = f"slices of {len(shapes)} sizes, centred on black in {size[0]} x {size[1]}"
        return DecodedImage(out, notes=(note,))
