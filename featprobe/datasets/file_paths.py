"""The files of many items in little memory."""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np

# what os.fsdecode asks for anew each time
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

_BLOCK = 1024  # names that are decoded at a time


class FilePaths(Sequence[tuple[Path, ...]]):
    """The paths of each item, kept as bytes one after the other: a ``Path`` takes ten times that.

    Items compare, pickle and are read as a list of tuples of paths.
    """

    def __init__(self, names: Iterable[tuple[str, ...]], folder: str = "") -> None:
        """``names`` are relative to ``folder`` where there is one."""
        self._folder = folder
        text, ends, items = bytearray(), array("q", [0]), array("q", [0])
        for item in names:
            for name in item:
                text += name.encode(_ENCODING, _ERRORS)
                ends.append(len(text))
            items.append(len(ends) - 1)
        self._text = bytes(text)
        self._ends, self._items = np.array(ends), np.array(items)

    @classmethod
    def of(cls, paths: Sequence[tuple[Path, ...]]) -> FilePaths:
        """Those of a list of tuples."""
        return paths if isinstance(paths, cls) else cls(tuple(map(str, ps)) for ps in paths)

    def __len__(self) -> int:
        return len(self._items) - 1

    def sizes(self) -> list[int]:
        """How many files each item has."""
        return [int(n) for n in np.diff(self._items)]

    def names(self) -> Iterator[str]:
        """The paths of all items in turn as text, several times as fast as ``Path``s are made."""
        base = os.path.join(self._folder, "") if self._folder != "." else ""
        for first in range(0, len(self._ends) - 1, _BLOCK):
            ends = self._ends[first : first + _BLOCK + 1].tolist()
            part = self._text[ends[0] : ends[-1]]
            if part.isascii():  # then a letter is a byte
                text = part.decode("ascii")
                yield from [base + text[a - ends[0] : b - ends[0]] for a, b in pairwise(ends)]
            else:
                for a, b in pairwise(ends):
                    yield base + self._text[a:b].decode(_ENCODING, _ERRORS)

    def mention(self, texts: Iterable[str]) -> bool:
        """Whether one of these small letters occurs anywhere, in whatever case."""
        small = self._text.lower()
        return any(text.encode() in small for text in texts)

    def texts(self, i: int) -> list[str]:
        """The paths of one item as text."""
        base = os.path.join(self._folder, "") if self._folder != "." else ""
        at = self._ends[self._items[i] : self._items[i + 1] + 1].tolist()
        return [base + self._text[a:b].decode(_ENCODING, _ERRORS) for a, b in pairwise(at)]

    @overload
    def __getitem__(self, i: int) -> tuple[Path, ...]: ...
    @overload
    def __getitem__(self, i: slice) -> list[tuple[Path, ...]]: ...
    def __getitem__(self, i: int | slice) -> tuple[Path, ...] | list[tuple[Path, ...]]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        i = range(len(self))[i]
        first, last = int(self._items[i]), int(self._items[i + 1])
        at = self._ends[first : last + 1].tolist()
        return tuple(self._path(a, b) for a, b in pairwise(at))

    def __iter__(self) -> Iterator[tuple[Path, ...]]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _path(self, start: int, stop: int) -> Path:
        return Path(self._folder, os.fsdecode(self._text[start:stop]))
