"""Readers of image formats that other packages and scripts add.

A reader is a function ``read(path)`` registered with the suffixes it reads::

    @featprobe.register("reader", "pgm", suffixes=[".pgm"])
    def read(path):
        return numpy_array

It returns an array with axes as in :mod:`featprobe.images.arrays` (one image or a stack of frames),
or a volume as ``(array, affine)``: (X, Y, Z) and the (4, 4) matrix from array indices to RAS
millimetres. ``version`` is raised when it gives other pixels than before, which makes features of
before stale. ``header(path)``, optional, returns the shape, or shape and affine, without decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, UnreadableItem
from featprobe.core.plugins import facts_of, loaded
from featprobe.images.arrays import as_picture, stack_shape
from featprobe.images.picture import Extent, FrameRecipe, Picture, Volume, finite, smallest

EXPECTED = "an array (H, W), (H, W, 3), (F, H, W), (F, H, W, 3), or a tuple (array, affine)"


@dataclass(frozen=True)
class CustomReader:
    """A registered function as one of the readers of :mod:`featprobe.images.files`."""

    name: str
    function: Callable[[Path], Any]
    SUFFIXES: tuple[str, ...]
    version: int
    header: Callable[[Path], Any] | None

    def extent(self, path: Path, recipe: FrameRecipe) -> Extent:
        """The size, from the header where there is a function for it, else from the pixels."""
        if self.header is None:
            shape, affine = self._read(path)[0].shape, self._read(path)[1]
        else:
            found = self.header(path)
            shape, affine = found if _is_pair(found) else (found, None)
        if affine is not None:
            return Extent(self._volume(path, tuple(shape)), np.asarray(affine, dtype=float))
        frames, height, width = stack_shape(path, tuple(shape))
        return Extent((width, height, frames))

    def load(self, path: Path, recipe: FrameRecipe) -> Picture | Volume:
        """The pixels."""
        array, affine = self._read(path)
        if affine is None:
            return as_picture(path, array)
        self._volume(path, array.shape)
        array, notes = finite(smallest(array), path.name)
        return Volume(array, affine, notes=notes)

    def _read(self, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
        found = self.function(path)
        array, affine = found if _is_pair(found) else (found, None)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            came = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(array)
            raise UnreadableItem(
                f"{path}: reader {self.name!r} must return {EXPECTED} of numbers, not {came}"
            )
        if affine is not None:
            affine = np.asarray(affine, dtype=float)
            if affine.shape != (4, 4) or not np.isfinite(affine).all():
                raise UnreadableItem(
                    f"{path}: the affine of reader {self.name!r} must be finite and (4, 4), "
                    f"it is {affine.shape}"
                )
        return array, affine

    def _volume(self, path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
        if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and shape[3] != 3):
            raise UnreadableItem(
                f"{path}: reader {self.name!r} gives a volume of shape {shape}, neither (X, Y, Z) "
                "nor (X, Y, Z, 3)"
            )
        return shape[0], shape[1], shape[2]


def readers() -> dict[str, CustomReader]:
    """Name -> reader, of all that are there. Raises :class:`InputError` for odd suffixes."""
    found = {}
    for name, function in loaded("reader", ("raster", "nifti", "dicom", "itk", "array")).items():
        facts = facts_of("reader", function)
        suffixes = tuple(facts["suffixes"])
        if not suffixes or not all(isinstance(s, str) and s.startswith(".") for s in suffixes):
            raise InputError(
                f"reader {name}: suffixes must be texts that begin with a dot, not {suffixes!r}"
            )
        small = tuple(s.lower() for s in suffixes)
        found[name] = CustomReader(name, function, small, facts["version"], facts["header"])
    return found


def _is_pair(found: Any) -> bool:
    return isinstance(found, tuple) and len(found) == 2 and np.ndim(found[1]) == 2
