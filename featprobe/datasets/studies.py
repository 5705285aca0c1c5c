"""Items that are studies: several co-registered modalities of one patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featprobe.datasets.base import FileSource
from featprobe.errors import UnreadableItem
from featprobe.images import files
from featprobe.images.intensity import WHITE, shown
from featprobe.images.picture import FrameRecipe, Picture


@dataclass(frozen=True)
class StudySource(FileSource):
    """Items whose files are those of the recipe's modalities in turn.

    ``runs``: for each item the number of files of each modality (a DICOM series has many). Each
    modality is shown between its own black and white, which the recipe's intensity rule picks.
    ``fusion="rgb"`` makes them the colours of one stack of frames (a missing third is black);
    ``fusion="late"`` puts their frames one after the other, to be pooled apart.
    """

    runs: Sequence[tuple[int, ...]] = ()

    def _modalities(self, i: int) -> list[tuple[Path, ...]]:
        out, start = [], 0
        for n in self.runs[i]:
            out.append(self.paths[i][start : start + n])
            start += n
        return out

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        modalities = self._modalities(i)
        n = files.count_frames(modalities[0], recipe)
        return n * recipe.parts

    def read(self, i: int, recipe: FrameRecipe) -> Picture:
        pictures = [files.read(paths, recipe) for paths in self._modalities(i)]
        shapes = [p.pixels.shape for p in pictures]
        if len(set(shapes)) > 1 or len(shapes[0]) != 3:
            told = ", ".join(f"{m} {s}" for m, s in zip(recipe.modalities, shapes))
            raise UnreadableItem(
                f"{self.paths[i][0]}: modalities do not lie on one grid of grey frames ({told}); "
                "choose a --plane, a --spacing or fewer of them"
            )
        scaled = [_scaled(p, recipe.intensity) for p in pictures]
        if recipe.fusion == "late":
            pixels = np.concatenate(scaled)
        else:
            black = [np.zeros_like(scaled[0])] * (3 - len(scaled))
            pixels = np.stack([*scaled, *black], axis=-1)
        notes = tuple(dict.fromkeys(n for p in pictures for n in p.notes))
        return Picture(pixels, affine=pictures[0].affine, notes=notes, levels=(0.0, float(WHITE)))


def _scaled(picture: Picture, rule: str) -> np.ndarray:
    """Grey frames as uint16, 0 black and 65535 white under an intensity rule."""
    pixels, levels = shown(picture, rule)
    low, high = (float(v) for v in levels)
    if not high > low:
        return np.zeros(pixels.shape, dtype=np.uint16)
    unit = (pixels.astype(np.float32) - low) / (high - low)
    return np.round(np.clip(unit, 0, 1) * WHITE).astype(np.uint16)
