"""Readers of image formats that other packages and scripts add.

A reader is a function of a path that returns pixels, registered with the suffixes it reads::

    @featprobe.register("reader", "raw16", suffixes=[".r16"])
    def read(path):
        return array  # (H, W), (H, W, 3), (F, H, W) or (F, H, W, 3)

or a volume as ``(array, affine)``: (X, Y, Z) and the (4, 4) matrix from array indices to RAS
millimetres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, UnreadableItem, reason
from featprobe.core.options import Checked
from featprobe.core.plugins import function_of, known_facts, loaded, registered, warn_once
from featprobe.core.source import module_digest
from featprobe.images.arrays import as_decoded_image, stack_shape
from featprobe.images.decoded_image import (
    DecodedImage,
    FrameRecipe,
    ImageHeader,
    Volume,
    finite,
    smallest,
)

BUILT_IN = ("picture", "raster", "nifti", "dicom", "itk", "array")  # see images.versions
EXPECTED = "an array (H, W), (H, W, 3), (F, H, W), (F, H, W, 3), or a tuple (array, affine)"


@dataclass(frozen=True)
class Reader(Checked):
    """A registered function as one of the readers of :mod:`featprobe.images.files`.

    ``suffixes``: of the files it reads, with the dot; of several readers that fit, the one with the
    longest is taken, so ``.seg.nrrd`` may be yours; those of featprobe's own cannot be claimed.
    ``sniff(path) -> bool``: whether a file whose suffix nobody knows is of the format. ``version``
    is in the key of features: change it when other pixels are given than before; by default a
    digest of the source of its module. ``header(path)``:
    the shape, or (shape, affine), without decoding; by default pixels are decoded to know it.
    """

    name: str
    function: Callable[[Path], Any]
    suffixes: tuple[str, ...] = ()
    version: int | str | None = None
    sniff: Callable[[Path], Any] | None = None
    header: Callable[[Path], Any] | None = None
    of: str = ""

    def owner(self) -> str:
        return f"reader {self.name}"

    def check(self) -> None:
        small = tuple(s.lower() for s in self.suffixes)
        if not small and self.sniff is None:
            raise InputError(f"{self.owner()}: say which files it reads: suffixes=['.xyz']")
        if odd := [s for s in small if not s.startswith(".") or len(s) < 2]:
            raise InputError(f"{self.owner()}: a suffix begins with a dot, unlike {odd[0]!r}")
        for what in ("sniff", "header"):
            if getattr(self, what) is not None:
                function_of("reader", f"{self.name}: {what}", getattr(self, what))
        object.__setattr__(self, "suffixes", small)

    @cached_property
    def key(self) -> str:
        """What the key of features says of it; a text, for a number 1 would be left out there."""
        return module_digest(self.function) if self.version is None else str(self.version)

    def extent(self, path: Path, recipe: FrameRecipe) -> ImageHeader:
        """The size, from the header where there is a function for it, else from the pixels."""
        if self.header is None:
            array, affine = self._read(path)
            shape = array.shape
        else:
            found = self.header(path)
            shape, affine = found if _is_pair(found) else (found, None)
        if affine is not None:
            return ImageHeader(self._volume(path, tuple(shape)), np.asarray(affine, dtype=float))
        frames, height, width = stack_shape(path, tuple(shape))
        return ImageHeader((width, height, frames))

    def load(self, path: Path, recipe: FrameRecipe) -> DecodedImage | Volume:
        """The pixels."""
        array, affine = self._read(path)
        if affine is None:
            return as_decoded_image(path, array)
        self._volume(path, array.shape)
        array, notes = finite(smallest(array), path.name)
        return Volume(array, affine, notes=notes)

    def matches(self, path: Path) -> bool:
        """Whether a file is of the format by its content; False where ``sniff`` raises."""
        try:
            return self.sniff is not None and bool(self.sniff(path))
        except Exception as error:
            warn_once(f"{self.owner()} of {self.of} cannot look at {path}: {reason(error)}")
            return False

    def _read(self, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
        found = self.function(path)
        array, affine = found if _is_pair(found) else (found, None)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            array_of = f"an array of {getattr(array, 'dtype', '')}"
            came = array_of if isinstance(array, np.ndarray) else type(array).__name__
            raise UnreadableItem(
                f"{path}: {self.owner()} must return {EXPECTED} of numbers, not {came}"
            )
        if affine is not None:
            affine = np.asarray(affine, dtype=float)
            if affine.shape != (4, 4) or not np.isfinite(affine).all():
                raise UnreadableItem(
                    f"{path}: the affine of {self.owner()} must be finite and (4, 4), it is "
                    f"{affine.shape}"
                )
        return array, affine

    def _volume(self, path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
        if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and shape[3] != 3):
            raise UnreadableItem(
                f"{path}: {self.owner()} gives a volume of shape {shape}, neither (X, Y, Z) nor "
                "(X, Y, Z, 3)"
            )
        return shape[0], shape[1], shape[2]


def plugin(name: str, value: Any, of: str, **facts: Any) -> Reader:
    """A reader, with the facts ``suffixes``, ``version``, ``sniff`` and ``header`` of it."""
    own = [f.name for f in fields(Reader) if f.name not in ("name", "function", "of")]
    known_facts("reader", name, facts, own)
    return Reader(name, function_of("reader", name, value), of=of, **facts)


def readers() -> dict[str, Reader]:
    """Name -> reader, of all that are there."""
    return loaded("reader", BUILT_IN)


def in_this_process(kinds: set[str]) -> bool:
    """Whether a reader of these was registered here, so that other processes lack it."""
    return bool(kinds & registered("reader").keys())


def _is_pair(found: Any) -> bool:
    return isinstance(found, tuple) and len(found) == 2 and np.ndim(found[1]) == 2
