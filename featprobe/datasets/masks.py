"""The masks of a data set: which files they are, and which class each of their values is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from featprobe.core.display import Displayable
from featprobe.core.errors import InputError, UnreadableItem, reason
from featprobe.core.file_index import FileIndex
from featprobe.core.fingerprint import array_digest, digest
from featprobe.datasets.mask_classes import ClassTable, class_table
from featprobe.images import masks as images
from featprobe.images.decoded_image import ImageHeader
from featprobe.images.grids import VOID
from featprobe.images.masks import Mask, Stored


class MaskFile(NamedTuple):
    """A file of a mask, or an array that stands for one. ``label``: the class of all that is not 0
    in it, None where its values are classes."""

    source: Path | np.ndarray
    label: int | None = None


@dataclass(frozen=True)
class Census:
    """What the mask of one item holds: value -> voxels as stored, or why it cannot be read."""

    counts: Mapping[int, int] = field(default_factory=dict)
    problem: str = ""


@dataclass(repr=False)
class Masks(Displayable):
    """Segmentation masks of the items of a data set, of which some may have none.

    ``files``: those of each item; several are united. ``names``: classes that were given, the first
    is background (of ``multilabel`` masks there is no background); ``given``: their values where
    these were named. ``origin``: where they were found, in words. ``unpaired``: masks without an
    image. ``header``: gives the header of an image by item; the Dataset sets it. ``turn``: EXIF's
    orientation of an image by item.
    """

    files: tuple[tuple[MaskFile, ...], ...]
    names: tuple[str, ...] = ()
    given: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    multilabel: bool = False
    origin: str = ""
    unpaired: tuple[Path, ...] = ()
    memory: Path | None = None
    header: Callable[[int], ImageHeader] = field(default=lambda i: ImageHeader((1, 1, 1)))
    turn: Callable[[int], int] = field(default=lambda i: 1)

    @classmethod
    def of(
        cls, paths: Iterable[Path | Sequence[Path] | None], names: Sequence[str] = (),
        labels: Sequence[int] | None = None, **more: object,
    ) -> Masks:  # fmt: skip
        """Masks by item: a file, several, or none. ``labels``: the class of each of several files,
        by their place, where each holds one class alone."""
        rows = [() if p is None else (p,) if isinstance(p, Path) else tuple(p) for p in paths]
        files = tuple(
            tuple(MaskFile(p, labels[k] if labels else None) for k, p in enumerate(row))
            for row in rows
        )
        return cls(files, tuple(names), **more)  # type: ignore[arg-type]

    @classmethod
    def of_arrays(cls, arrays: Sequence[np.ndarray], names: Sequence[str] = ()) -> Masks:
        """Labels in memory: an array of (H, W) or (F, H, W) an item."""
        files = tuple((MaskFile(np.asarray(a)),) for a in arrays)
        return cls(files, tuple(names), origin="arrays")

    def __len__(self) -> int:
        return len(self.files)

    @property
    def count(self) -> int:
        """Number of items that have a mask."""
        return sum(map(bool, self.files))

    def facts(self) -> tuple[Sequence[str], dict[str, object]]:
        return (), {
            "items": len(self), "with_mask": self.count, "classes": ", ".join(self.names) or None,
            "origin": self.origin or None,
        }  # fmt: skip

    def has(self, i: int) -> bool:
        """Whether item i has a mask."""
        return bool(self.files[i])

    def paths(self, i: int) -> list[Path]:
        """The files of item i."""
        return [f.source for f in self.files[i] if isinstance(f.source, Path)]

    def only(self, kept: Sequence[int]) -> Masks:
        """Select the masks of some items, in their order."""
        return replace(self, files=tuple(self.files[i] for i in kept))

    # -- classes --------------------------------------------------------------------------------

    @property
    def classes(self) -> tuple[str, ...]:
        """Names by class index; index 0 is background but for multi-label masks."""
        return self.table.names

    @cached_property
    def table(self) -> ClassTable:
        """Which class each value is. Reads all masks once where that is not said beforehand."""
        if self.multilabel or any(f.label is not None for row in self.files for f in row):
            return ClassTable(self.names, {})
        seen = set() if self.settled else {v for c in self.census for v in c.counts}
        return class_table(seen, self.names, self.given)

    @property
    def settled(self) -> bool:
        """Whether the classes are known without reading masks."""
        return bool(self.given) or len(self.names) > 2

    @cached_property
    def census(self) -> list[Census]:
        """Of each item what its files hold."""
        return [self._count(i) for i in range(len(self))]

    def _count(self, i: int) -> Census:
        counts: dict[int, int] = {}
        try:
            for f in self.files[i]:
                values, n = np.unique(_load(f).values, return_counts=True)
                for v, k in zip(values.tolist(), n.tolist()):
                    counts[v] = counts.get(v, 0) + k
        except UnreadableItem as error:
            return Census(problem=reason(error))
        return Census(counts)

    def presence(self) -> np.ndarray:
        """(N, C) whether an item has a class, 0 or 1, but for background; NaN of an item whose mask
        is missing or cannot be read. What a split is stratified by."""
        first = 0 if self.multilabel else 1
        wanted = range(first, len(self.classes))
        out = np.full((len(self), len(wanted)), np.nan)
        for i in range(len(self)):
            try:
                values = self.read(i).values
            except UnreadableItem:
                continue
            out[i] = [(values[k] if self.multilabel else values == k).any() for k in wanted]
        return out

    # -- pixels ---------------------------------------------------------------------------------

    def read(self, i: int) -> Mask:
        """The mask of item i: class indices 0 to K - 1 and 255 (void), or bool (K, ...).

        On the grid of the image whatever the order of its own axes. Raises
        :class:`UnreadableItem` for an item without a mask, and one that names the file for a mask
        that cannot be read, lies on another grid or holds a value that is no class.
        """
        if not self.files[i]:
            raise UnreadableItem("it has no mask")
        header = self.header(i)
        shape = images.array_shape(header)
        k = len(self.classes)
        out = np.zeros((k, *shape), bool) if self.multilabel else np.zeros(shape, np.uint8)
        for f in self.files[i]:
            where = f.source if isinstance(f.source, Path) else "mask"
            try:
                self._put(out, images.conformed(_load(f), header, self.turn(i)), f.label)
            except UnreadableItem as error:
                text = str(error)
                named = text if str(where) in text else f"{where}: {text}"
                raise type(error)(named) from error
        first = self.files[i][0].source
        return Mask(
            out,
            images.spacing_of(header),
            header.affine,
            first if isinstance(first, Path) else None,
        )

    def _put(self, out: np.ndarray, values: np.ndarray, label: int | None) -> None:
        if label is not None:
            inside = values != 0
            if self.multilabel:
                out[label] |= inside
            else:
                out[inside] = label
            return
        if self.multilabel:
            for k, name in enumerate(self.classes):
                out[k] |= np.isin(values, self.given.get(name, (k + 1,)))
            return
        mapped = self.table.apply(values)
        np.copyto(out, mapped, where=mapped != 0)

    @cached_property
    def digest(self) -> str:
        """sha256 over the contents of all masks and their classes. Features do not depend on it;
        results do and carry it."""
        paths = [f.source for row in self.files for f in row if isinstance(f.source, Path)]
        known = iter(list(FileIndex(self.memory).digests(paths)))
        rows = [
            [[next(known) if isinstance(f.source, Path) else array_digest(f.source), f.label]
             for f in row]
            for row in self.files
        ]  # fmt: skip
        options = {n: list(v) for n, v in self.given.items()}
        return digest([rows, list(self.names), options, self.multilabel])


def _load(file: MaskFile) -> Stored:
    if isinstance(file.source, Path):
        return images.load(file.source)
    values = np.asarray(file.source)
    return images.whole(values if values.ndim == 3 else values[None])


def check_count(masks: Masks | None, n: int, name: str) -> None:
    """Raise :class:`InputError` where there are more or fewer masks than items."""
    if masks is not None and len(masks) != n:
        raise InputError(f"{name}: {len(masks)} masks for {n} items")


__all__ = ["VOID", "Census", "Mask", "MaskFile", "Masks", "check_count"]
