"""The Dataset: items with pixels, labels, groups and splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from featprobe.errors import InputError
from featprobe.fingerprint import FileDigests, array_digest, digest
from featprobe.images import files, frames
from featprobe.images.picture import Extent, FrameRecipe, Picture, finite

TASKS = ("multiclass", "multilabel", "ordinal", "regression")
SPLITS = ("train", "val", "test")
Progress = Callable[[int], None]


class Source(Protocol):
    """Where pixels come from; items are numbered as in the Dataset."""

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        """Number of frames of item i, without decoding pixels."""

    def read(self, i: int, recipe: FrameRecipe) -> Picture:
        """Decode item i."""

    def contents(self, progress: Progress | None = None) -> list[str]:
        """One digest of the stored bytes for each item."""

    def kinds(self) -> set[str]:
        """Which readers the items have: names of :mod:`featprobe.images.files`, or ``rows``."""


@dataclass(frozen=True)
class FileSource:
    """Items that are files: one path each, or the ordered paths of a DICOM series.

    ``memory`` is the file in which content digests are remembered between runs.
    """

    paths: Sequence[tuple[Path, ...]]
    memory: Path | None = None

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        return files.count_frames(self.paths[i], recipe)

    def read(self, i: int, recipe: FrameRecipe) -> Picture:
        return files.read(self.paths[i], recipe)

    def contents(self, progress: Progress | None = None) -> list[str]:
        stored = [files.parts(ps) for ps in self.paths]
        flat = FileDigests(self.memory)((p for ps in stored for p in ps), progress)
        out, start = [], 0
        for ps in stored:
            part = flat[start : start + len(ps)]
            out.append(part[0] if len(ps) == 1 else digest(part))
            start += len(ps)
        return out

    def kinds(self) -> set[str]:
        named: dict[str, Path] = {}  # a file for each suffix, and one that has none
        for path in (p for ps in self.paths for p in ps):
            suffix = "".join(path.suffixes[-2:]).lower()
            named.setdefault("" if suffix.rpartition(".")[2].isdigit() else suffix, path)
        return {kind for path in named.values() if (kind := files.kind_of(path))}


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
        shape = self._shape(i)
        n = shape[0] if len(shape) == 3 and shape[-1] != 3 else 1
        return frames.count(Extent((shape[-1], shape[-2], n)), recipe)

    def read(self, i: int, recipe: FrameRecipe) -> Picture:
        row = self._row(i)
        if row.dtype not in (np.uint8, np.uint16, np.int16, np.int32):
            row = row.astype(np.float32)
        row, notes = finite(row, f"row {i}")
        stack = row.ndim == 3 and row.shape[-1] != 3
        return frames.choose(Picture(row if stack else row[None], notes=notes), recipe)

    def contents(self, progress: Progress | None = None) -> list[str]:
        out = []
        for array in self.arrays:
            for row in array:
                out.append(array_digest(row))
                if progress:
                    progress(len(out))
        return out

    def kinds(self) -> set[str]:
        return {"rows"}


@dataclass
class Dataset:
    """Items and what is known of them.

    ``ids`` (N,) unique text. ``targets``: None; int (N,) for multiclass and ordinal, -1 where
    unknown; float (N, C) of 0, 1 and NaN (unknown) for multilabel; float (N,) for regression.
    ``classes``: names of the C classes or labels. ``groups`` (N,): patient of each item, never
    split. ``split`` (N,): ``train``, ``val``, ``test`` of an official split, or "" everywhere.
    ``group_origin`` and ``split_origin`` say in words where the two come from.
    ``skipped`` counts files left aside by kind (DICOM objects without pixels, other files).
    ``notes``: what a reader of results should know, one line each (counts that differ from the
    published ones, patients whom the official split itself divides).

    ``masks``: None, or for each item the files of its segmentation mask, none where it has none;
    several files (left and right lung) are united. ``mask_classes``: the name of each value of a
    mask, background first; a mask of two values only, whatever they are (0 and 255), is 0 and 1.
    """

    name: str
    ids: np.ndarray
    source: Source
    targets: np.ndarray | None = None
    task: str | None = None
    classes: tuple[str, ...] = ()
    groups: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))
    split: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))
    group_origin: str = "none known: each item is its own group"
    split_origin: str = "none"
    recipe: FrameRecipe = field(default_factory=FrameRecipe)
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    masks: tuple[tuple[Path, ...], ...] | None = None
    mask_classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.ids = np.asarray(self.ids, dtype=np.str_)
        n = len(self.ids)
        if n == 0:
            raise InputError(f"{self.name}: the data set has no items")
        names, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            raise InputError(
                f"{self.name}: {int((counts > 1).sum())} ids occur more than once, first "
                f"{str(names[counts > 1][0])!r}; every item needs an id of its own"
            )
        if not len(self.groups):
            self.groups = self.ids.copy()
        if not len(self.split):
            self.split = np.full(n, "", dtype=np.str_)
        self.groups = np.asarray(self.groups, dtype=np.str_)
        self.split = np.asarray(self.split, dtype=np.str_)
        if self.targets is not None:
            self.targets = np.asarray(self.targets)
        for what in ("groups", "split", "targets", "masks"):
            values = getattr(self, what)
            if values is not None and len(values) != n:
                raise InputError(f"{self.name}: {len(values)} {what} for {n} items")
        if self.targets is not None and self.task not in TASKS:
            raise InputError(f"{self.name}: task {self.task!r} is none of {', '.join(TASKS)}")
        odd = sorted(set(self.split.tolist()) - {"", *SPLITS})
        if odd:
            raise InputError(f"{self.name}: split {odd[0]!r} is none of {', '.join(SPLITS)}")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, items={len(self)}, task={self.task}, "
            f"classes={len(self.classes)}, groups={len(np.unique(self.groups))})"
        )

    def frames(self, i: int) -> int:
        """Number of frames of item i, from the file's header."""
        return self.source.frames(i, self.recipe)

    def open(self, i: int) -> Picture:
        """Decoded pixels of item i with window, geometry and notes."""
        return self.source.read(i, self.recipe)

    def read(self, i: int) -> np.ndarray:
        """Decoded pixels of item i: (F, H, W) or (F, H, W, 3), native dtype.

        Raises :class:`~featprobe.errors.UnreadableItem` naming the file.
        """
        return self.open(i).pixels

    def files_per_item(self) -> list[int]:
        """Number of files of each item; an item inside a container counts as one."""
        paths = getattr(self.source, "paths", None)
        return [1] * len(self) if paths is None else [len(p) for p in paths]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over ids and contents of all items: what the features depend on.

        Labels, groups and splits are left out: they can change without a new extraction.
        """
        return self.compute_fingerprint()

    def compute_fingerprint(self, progress: Progress | None = None) -> str:
        """As :attr:`fingerprint`, telling ``progress`` how many files are hashed."""
        value = digest(list(zip(self.ids.tolist(), self.source.contents(progress))))
        self.__dict__["fingerprint"] = value
        return value


def groups_as_codes(values: Sequence[str]) -> np.ndarray:
    """Patient identifiers as ``patient-0001`` ... in order of appearance.

    Nothing of the identifier is left, so a store can be shared; equal stays equal.
    """
    codes: dict[str, str] = {}
    return np.array([codes.setdefault(v, f"patient-{len(codes) + 1:04d}") for v in values])
