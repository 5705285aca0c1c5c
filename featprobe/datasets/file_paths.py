"""The files of many items in little memory."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import overload

import numpy as np

from featprobe.core.text_columns import PackedTexts


class ItemNames(Sequence[tuple[str, ...]]):
    """The names of the files of each item, kept as bytes one after the other."""

    def __init__(self, items: PackedTexts | Iterable[tuple[str, ...]]) -> None:
        """``items``: texts are items of one file each."""
        self._items: np.ndarray | None = None  # where each begins among the names
        if isinstance(items, PackedTexts):
            self.names = items
            return
        starts = array("q", [0])

        def every() -> Iterator[str]:
            for item in items:
                yield from item
                starts.append(starts[-1] + len(item))

        self.names = PackedTexts(every())
        if (np.diff(starts) != 1).any():
            self._items = np.array(starts)

    def take(self, rows: Sequence[int]) -> ItemNames:
        """The items of these numbers."""
        if self.single:  # in blocks
            return ItemNames(PackedTexts(self.names.take(np.array(rows, np.int64))))
        return ItemNames(self[i] for i in rows)

    @property
    def single(self) -> bool:
        """Whether each item is one file, so that :attr:`names` has one an item."""
        return self._items is None

    def __len__(self) -> int:
        return len(self.names) if self._items is None else len(self._items) - 1

    def sizes(self) -> Iterator[int]:
        """How many files each item has."""
        if self._items is None:
            return repeat(1, len(self))
        return (int(n) for n in np.diff(self._items))

    @overload
    def __getitem__(self, i: int) -> tuple[str, ...]: ...
    @overload
    def __getitem__(self, i: slice) -> list[tuple[str, ...]]: ...
    def __getitem__(self, i: int | slice) -> tuple[str, ...] | list[tuple[str, ...]]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        i = range(len(self))[i]
        a, b = (i, i + 1) if self._items is None else self._items[i : i + 2].tolist()
        return tuple(self.names.block(a, b))

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        names = iter(self.names)
        return (tuple(islice(names, size)) for size in self.sizes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class FilePaths(Sequence[tuple[Path, ...]]):
    """The paths of each item, kept as :class:`ItemNames`: a ``Path`` takes ten times that.

    Items compare, pickle and are read as a list of tuples of paths.
    """

    def __init__(self, items: ItemNames | Iterable[tuple[str, ...]], folder: str = "") -> None:
        """``items`` are relative to ``folder`` where there is one."""
        self._folder = folder
        self._items = items if isinstance(items, ItemNames) else ItemNames(items)

    @classmethod
    def of(cls, paths: Sequence[tuple[Path, ...]]) -> FilePaths:
        """Those of a list of tuples."""
        return paths if isinstance(paths, cls) else cls(tuple(map(str, ps)) for ps in paths)

    def __len__(self) -> int:
        return len(self._items)

    def sizes(self) -> Iterator[int]:
        """How many files each item has."""
        return self._items.sizes()

    def names(self) -> Iterator[str]:
        """The paths of all items in turn as text, several times as fast as ``Path``s are made."""
        base = self._base()
        return (base + name for name in self._items.names)

    def mention(self, texts: Iterable[str]) -> bool:
        """Whether one of these small letters occurs anywhere, in whatever case."""
        return self._items.names.mention(texts)

    def texts(self, i: int) -> list[str]:
        """The paths of one item as text."""
        base = self._base()
        return [base + name for name in self._items[i]]

    @overload
    def __getitem__(self, i: int) -> tuple[Path, ...]: ...
    @overload
    def __getitem__(self, i: slice) -> list[tuple[Path, ...]]: ...
    def __getitem__(self, i: int | slice) -> tuple[Path, ...] | list[tuple[Path, ...]]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        return tuple(Path(self._folder, name) for name in self._items[i])

    def __iter__(self) -> Iterator[tuple[Path, ...]]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _base(self) -> str:
        return os.path.join(self._folder, "") if self._folder != "." else ""
