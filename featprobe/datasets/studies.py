"""Items that are studies: several modalities or views of one patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import UnreadableItem
from featprobe.datasets.base import FileSource
from featprobe.images import files
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, ImageHeader
from featprobe.images.intensity import WHITE, apply_rule


@dataclass(frozen=True)
class StudySource(FileSource):
    """Items whose files are those of the recipe's modalities in turn.

    ``runs``: for each item the number of files of each modality (a DICOM series has many, one that
    is missing has none). Each modality is shown between its own black and white, which the recipe's
    intensity rule picks. ``fusion="rgb"`` makes them the colours of one stack of grey frames, which
    must be of one size (what is missing is black); ``fusion="late"`` puts their frames one after
    the other, to be pooled apart: sizes, numbers of frames, planes and colours may differ.
    """

    runs: Sequence[tuple[int, ...]] = ()

    def only(self, i: int) -> StudySource:
        return replace(self, paths=[self.paths[i]], runs=[self.runs[i]], _index=None)

    def _modalities(self, i: int) -> list[tuple[Path, ...]]:
        out, start = [], 0
        for n in self.runs[i]:
            out.append(self.paths[i][start : start + n])
            start += n
        if not start:
            raise UnreadableItem("no view of this study is there")
        return out

    def views(self, i: int, recipe: FrameRecipe) -> list[int]:
        """Frames of each modality of item i, 0 of one that is missing, from headers."""
        return [self._count(paths, recipe) if paths else 0 for paths in self._modalities(i)]

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        if recipe.fusion == "late":
            return sum(self.views(i, recipe))
        return self._count(next(p for p in self._modalities(i) if p), recipe)

    def header(self, i: int, recipe: FrameRecipe) -> ImageHeader:
        """That of its first modality, on whose grid the others lie."""
        return self._header(next(p for p in self._modalities(i) if p), recipe)

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        found = [files.read(paths, recipe) if paths else None for paths in self._modalities(i)]
        there = [p for p in found if p is not None]
        scaled = [None if p is None else _scaled(p, recipe.intensity) for p in found]
        missing = [m for m, p in zip(recipe.modalities, found) if p is None]
        notes = tuple(dict.fromkeys(n for p in there for n in p.notes))
        about: dict[str, Any] = {
            "facts": there[0].facts, "levels": (0.0, float(WHITE)),
            "notes": notes + ((f"without {', '.join(missing)}",) if missing else ()),
        }  # fmt: skip
        if recipe.fusion == "late":
            pixels, sizes = _in_turn([p for p in scaled if p is not None])
            return DecodedImage(pixels, sizes=sizes, **about)
        shapes = {p.pixels.shape for p in there}
        if len(shapes) > 1 or there[0].pixels.ndim != 3:
            text = ", ".join(
                f"{m} {p.pixels.shape}" for m, p in zip(recipe.modalities, found) if p is not None
            )
            raise UnreadableItem(
                f"{self.paths[i][0]}: modalities do not lie on one grid of grey frames ({text}); "
                "choose --fusion late, a --plane, a --spacing or fewer of them"
            )
        black = np.zeros(there[0].pixels.shape, dtype=np.uint16)
        colours = [black if p is None else p for p in scaled]
        pixels = np.stack([*colours, *[black] * (3 - len(colours))], axis=-1)
        return DecodedImage(pixels, affine=there[0].affine, **about)


def _in_turn(views: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Views (F, H, W[, 3]) as one stack, and the size (h, w) of each frame where they differ: it
    lies at the top left of the largest. Grey becomes colour beside colour."""
    if any(v.ndim == 4 for v in views):
        views = [v if v.ndim == 4 else np.repeat(v[..., None], 3, axis=-1) for v in views]
    sizes = np.concatenate([np.tile(v.shape[1:3], (len(v), 1)) for v in views])
    height, width = sizes.max(0)
    if (sizes == (height, width)).all():
        return np.concatenate(views), None
    out = np.zeros((len(sizes), height, width, *views[0].shape[3:]), dtype=np.uint16)
    start = 0
    for v in views:
        out[start : start + len(v), : v.shape[1], : v.shape[2]] = v
        start += len(v)
    return out, sizes


def _scaled(image: DecodedImage, rule: str) -> np.ndarray:
    """Grey frames as uint16, 0 black and 65535 white under an intensity rule."""
    pixels, levels = apply_rule(image, rule)
    low, high = (float(v) for v in levels)
    if not high > low:
        return np.zeros(pixels.shape, dtype=np.uint16)
    unit = (pixels.astype(np.float32) - low) / (high - low)
    return np.round(np.clip(unit, 0, 1) * WHITE).astype(np.uint16)
