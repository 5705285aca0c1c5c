"""Sources of the pixels of a Dataset: files, or arrays in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from featprobe.core.errors import InputError, MissingPath
from featprobe.core.file_index import FileIndex
from featprobe.core.fingerprint import array_digest, digest
from featprobe.core.paths import expanded
from featprobe.datasets.file_paths import FilePaths
from featprobe.images import facts, files, frames
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, ImageHeader, finite
from featprobe.images.versions import kinds_of

Progress = Callable[[int], None]


class Source(Protocol):
    """Interface of the pixels of a Dataset; items are numbered as there."""

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        """Number of frames of item i, without decoding pixels."""

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        """Decode item i."""

    def contents(self, progress: Progress | None = None) -> Iterable[str]:
        """One digest of the stored bytes for each item."""

    def kinds(self) -> set[str]:
        """The kinds of :data:`featprobe.images.versions.READERS` that occur."""


@dataclass(frozen=True)
class FileSource:
    """Items that are files: one path each, or the ordered paths of a DICOM series.

    ``memory`` is the file in which digests and headers are remembered between runs.
    """

    paths: Sequence[tuple[Path, ...]]
    memory: Path | None = None
    _index: FileIndex | None = field(default=None, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", FilePaths.of(self.paths))

    def __getstate__(self) -> dict[str, Any]:
        """Without what is remembered, which other processes do not ask for."""
        return {**self.__dict__, "_index": None}

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        return self._count(self.paths[i], recipe)

    def header(self, i: int, recipe: FrameRecipe) -> ImageHeader:
        """Size and geometry of item i before it is cut into frames."""
        return self._header(self.paths[i], recipe)

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        return files.read(self.paths[i], recipe)

    def contents(self, progress: Progress | None = None) -> Iterator[str]:
        index = FileIndex(self.memory, facts.describe, facts.version())
        paths = FilePaths.of(self.paths)
        names = paths.names()
        stored: deque[int] = deque()  # files of each item that is under way

        def every() -> Iterator[str]:
            for size in paths.sizes():
                item = files.parts(list(islice(names, size)))
                if item:
                    stored.append(len(item))
                yield from item

        several = paths.mention(files.DETACHED)
        found = index.digests(every() if several else names, progress)
        for size in paths.sizes():
            part = [next(found)] if size else []
            if size:
                part += islice(found, (stored.popleft() if several else size) - 1)
            yield part[0] if len(part) == 1 else digest(part)
        found.close()
        object.__setattr__(self, "_index", index)

    def only(self, i: int) -> FileSource:
        """Select item i alone, to be read in another process."""
        return replace(self, paths=[self.paths[i]], _index=None)

    def kinds(self) -> set[str]:
        if self._index is not None:
            return self._index.kinds - {""}
        return kinds_of(FilePaths.of(self.paths).names())

    def formats(self) -> set[str]:
        """As :meth:`kinds`, by names: no PNG is opened to see what colours it has."""
        return set(self._formats)

    @cached_property
    def _formats(self) -> frozenset[str]:
        return frozenset(kinds_of(FilePaths.of(self.paths).names(), opened=False))

    def _header(self, paths: tuple[Path, ...], recipe: FrameRecipe) -> ImageHeader:
        """From what :meth:`contents` has learnt, else from the file."""
        if self._index is not None:
            ends = self._index.known([paths[0], paths[-1]])
            if (found := facts.extent_in(paths, ends, recipe)) is not None:
                return found
        return files.header(paths, recipe)

    def _count(self, paths: tuple[Path, ...], recipe: FrameRecipe) -> int:
        """Frames of the files of one picture or volume."""
        if recipe.frames == "foreground":
            return files.count_frames(paths, recipe)
        return files.count_of(self._header(paths, recipe), paths, recipe)


@dataclass(frozen=True)
class ArraySource:
    """Items that are rows of arrays, each array (n, H, W), (n, H, W, 3) or (n, F, H, W)."""

    arrays: Sequence[np.ndarray]

    def _shape(self, i: int) -> tuple[int, ...]:
        """Shape of a row, without reading it: arrays may lie on disk."""
        for array in self.arrays:
            if i < len(array):
                return array.shape[1:]
            i -= len(array)
        raise IndexError(i)

    def _row(self, i: int) -> np.ndarray:
        for array in self.arrays:
            if i < len(array):
                return array[i]
            i -= len(array)
        raise IndexError(i)

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        if recipe.frames == "foreground":
            return len(self.read(i, recipe).pixels)
        return frames.count(self.header(i, recipe), recipe)

    def header(self, i: int, recipe: FrameRecipe) -> ImageHeader:
        """Size of item i before frames are chosen."""
        shape = self._shape(i)
        if len(shape) == 3 and shape[-1] == 3:
            return ImageHeader((shape[1], shape[0], 1))
        return ImageHeader((shape[-1], shape[-2], shape[0] if len(shape) == 3 else 1))

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        row = self._row(i)
        if row.dtype not in (np.uint8, np.uint16, np.int16, np.int32):
            row = row.astype(np.float32)
        row, notes = finite(row, f"row {i}")
        stack = row.ndim == 3 and row.shape[-1] != 3
        return frames.choose(DecodedImage(row if stack else row[None], notes=notes), recipe)

    def contents(self, progress: Progress | None = None) -> list[str]:
        out = []
        for array in self.arrays:
            for row in array:
                out.append(array_digest(row))
                if progress:
                    progress(len(out))
        return out

    def kinds(self) -> set[str]:
        """Rows of 8 bits that are no stacks are pictures."""
        plain = all(a.dtype == np.uint8 and (a.ndim == 3 or a.shape[-1] == 3) for a in self.arrays)
        return {"picture" if plain else "array"}


def rows_of(images: Any, volumes: bool = False) -> list[np.ndarray]:
    """Arrays whose rows are items, checked, for an :class:`ArraySource`.

    ``images``: (N, H, W), (N, H, W, 3), with ``volumes`` (N, F, H, W), or a list of N arrays of
    one item each.
    """
    if isinstance(images, (str, bytes, os.PathLike)):
        raise InputError(f"images: expected an array, got {images!r}; for files use from_files")
    if isinstance(images, (list, tuple)):
        if not images:
            raise InputError("images: the list is empty")
        if isinstance(images[0], (str, os.PathLike)):
            raise InputError("images: expected arrays, got paths; for files use from_files")
        return [_checked(np.asarray(x)[None], volumes) for x in images]
    return [_checked(np.asarray(images), volumes)]


def _checked(array: np.ndarray, volumes: bool) -> np.ndarray:
    """(n, ...) rows of one array; :class:`InputError` for what is no picture."""
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.dtype.kind not in "iuf":
        raise InputError(f"images: expected numbers, got an array of {array.dtype}")
    shape = array.shape
    fits = len(shape) == 4 if volumes else len(shape) == 3 or (len(shape) == 4 and shape[-1] == 3)
    if fits and min(shape) > 0 and not (volumes and shape[-1] == 3):
        return array
    wanted = "(N, F, H, W)" if volumes else "(N, H, W) or (N, H, W, 3)"
    hint = ""
    if not volumes and len(shape) == 4 and shape[1] == 3:
        hint = "; colours come last: images.transpose(0, 2, 3, 1); three slices: volumes=True"
    elif not volumes and len(shape) == 4:
        hint = "; stacks of frames: volumes=True"
    elif len(shape) == 2:
        hint = "; one picture is a set of one: images[None]"
    raise InputError(f"images: expected {wanted}, got shape {shape}{hint}")


def paths_of(paths: Any) -> list[tuple[Path, ...]]:
    """The files of each item, all of which are there."""
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise InputError(
            f"paths: expected a list of paths, got {paths!r}; for a folder use load_dataset"
        )
    if not isinstance(paths, Iterable) or isinstance(paths, Mapping):
        raise InputError(f"paths: expected a list of paths, got {type(paths).__name__} {paths!r}")
    found = []
    for i, item in enumerate(paths):
        parts = [item] if isinstance(item, (str, os.PathLike)) else item
        if not isinstance(parts, (list, tuple)) or not parts:
            raise InputError(f"paths: item {i} is no path and no list of paths: {item!r}")
        found.append(tuple(expanded(p).absolute() for p in parts))
        if missing := next((p for p in found[-1] if not p.is_file()), None):
            raise MissingPath(f"paths: item {i}: {missing} is no file")
    if not found:
        raise InputError("paths: the list is empty")
    return found


def names_of(paths: Sequence[tuple[Path, ...]]) -> list[str]:
    """An id for each item: its first path below the folder that all have in common."""
    root = os.path.commonpath([p[0].parent for p in paths])
    return [p[0].relative_to(root).as_posix() for p in paths]
