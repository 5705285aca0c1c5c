"""Columns of texts that behave as numpy arrays of them and take a tenth of the memory.

An array of texts has four bytes for each letter of its longest one in every row. A name and a
patient for each of a million files are half a gigabyte so; here they are bytes one after the other,
or a number for each row into a table.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice, pairwise
from typing import Any, cast

import numpy as np

BLOCK = 1024  # texts that are made at a time
_ERRORS = "surrogatepass"  # so that every text comes back, also names that are none in UTF-8


class TextColumn(np.lib.mixins.NDArrayOperatorsMixin):
    """(N,) texts, to be used as a numpy array of them, which it becomes where numpy asks for one.

    Rows of it are columns that share its texts. It cannot be written to.
    """

    ndim = 1

    def __len__(self) -> int:
        raise NotImplementedError

    def pick(self, rows: np.ndarray) -> list[str]:
        """The texts of rows by number."""
        raise NotImplementedError

    def block(self, start: int, stop: int) -> list[str]:
        """The texts of neighbouring rows."""
        return self.pick(np.arange(start, stop))

    def take(self, rows: np.ndarray) -> TextColumn:
        """The column of rows by number."""
        return CodedTexts(smallest(rows, len(self)), self, distinct=False)

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self.block(start, min(start + BLOCK, len(self)))

    def copy(self) -> TextColumn:
        return self

    def tolist(self) -> list[str]:
        return list(self)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (int, np.integer)):
            i = range(len(self))[key]
            return np.str_(self.block(i, i + 1)[0])
        rows = np.arange(len(self))[key]
        return self.take(rows) if rows.ndim == 1 else np.asarray(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        out = np.empty(len(self), f"U{max(map(len, self), default=1) or 1}")
        for start in range(0, len(self), BLOCK):
            out[start : start + BLOCK] = self.block(start, min(start + BLOCK, len(self)))
        return out if dtype is None else out.astype(dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *given: Any, **named: Any) -> Any:
        arrays = (np.asarray(x) if isinstance(x, TextColumn) else x for x in given)
        return getattr(ufunc, method)(*arrays, **named)

    def __getattr__(self, name: str) -> Any:
        """Anything else that an array has, of the array."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __repr__(self) -> str:
        return repr(np.asarray(self))


class PackedTexts(TextColumn):
    """Texts as bytes one after the other."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        packed, ends, rest = bytearray(), array("Q", [0]), iter(texts)
        while some := list(islice(rest, BLOCK)):
            text = "".join(some)
            sizes: Iterable[int] = map(len, some)
            if not text.isascii():  # then a letter may be several bytes
                sizes = (len(one.encode("utf-8", _ERRORS)) for one in some)
            ends.extend(islice(accumulate(sizes, initial=len(packed)), 1, None))
            packed += text.encode("utf-8", _ERRORS)
        self._text = bytes(packed)
        self._ends: np.ndarray = np.array(ends, _unsigned(len(packed)))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def pick(self, rows: np.ndarray) -> list[str]:
        ends = zip(self._ends[rows].tolist(), self._ends[rows + 1].tolist())
        return [self._text[a:b].decode("utf-8", _ERRORS) for a, b in ends]

    def block(self, start: int, stop: int) -> list[str]:
        ends = self._ends[start : stop + 1].tolist()
        part, first = self._text[ends[0] : ends[-1]], ends[0]
        if part.isascii():  # then a letter is a byte
            text = part.decode("ascii")
            return [text[a - first : b - first] for a, b in pairwise(ends)]
        return [part[a - first : b - first].decode("utf-8", _ERRORS) for a, b in pairwise(ends)]

    def mention(self, texts: Iterable[str]) -> bool:
        """Whether one of these small letters occurs anywhere, in whatever case, also where a text
        ends and the next one begins."""
        wanted = [text.encode() for text in texts]
        for start in range(0, len(self), BLOCK):
            first, last = self._ends[start], self._ends[min(start + BLOCK, len(self))]
            small = self._text[first:last].lower()
            if any(w in small for w in wanted):
                return True
        return False


class CodedTexts(TextColumn):
    """A number for each row (N,) and the texts of these numbers; ``distinct``: no text has two."""

    def __init__(
        self, codes: np.ndarray, table: Sequence[str] | TextColumn, distinct: bool = True
    ) -> None:
        self.codes, self.table, self.distinct = codes, table, distinct

    @classmethod
    def of(cls, texts: Iterable[str]) -> CodedTexts:
        """Numbered in order of their first rows."""
        number: dict[str, int] = {}
        codes = array("i", (number.setdefault(text, len(number)) for text in texts))
        return cls(smallest(np.array(codes, np.int32), len(number)), PackedTexts(number))

    @classmethod
    def each_its_own(cls, texts: TextColumn) -> CodedTexts:
        """Those of a column in which none recurs."""
        return cls(smallest(np.arange(len(texts)), len(texts)), texts)

    def __len__(self) -> int:
        return len(self.codes)

    def pick(self, rows: np.ndarray) -> list[str]:
        codes, table = self.codes[rows], self.table
        if isinstance(table, TextColumn):
            return table.pick(codes.astype(np.int64))
        return [table[code] for code in codes.tolist()]

    def take(self, rows: np.ndarray) -> TextColumn:
        return CodedTexts(self.codes[rows], self.table, self.distinct)


def as_texts(values: Any) -> np.ndarray:
    """(N,) texts: a column as it is, anything else as an array."""
    return cast(np.ndarray, values) if isinstance(values, TextColumn) else np.asarray(values, "U")


def each_text(values: Iterable[str] | np.ndarray) -> Iterator[str]:
    """The texts of a list, a column, or an array (N,) of which few are made at a time."""
    if not isinstance(values, np.ndarray):
        yield from values
        return
    for start in range(0, len(values), BLOCK):
        yield from values[start : start + BLOCK].tolist()


def hashes(values: np.ndarray) -> np.ndarray:
    """(N,) numbers of texts, equal where these are, which sort faster and in less memory."""
    return np.fromiter(map(hash, each_text(values)), np.int64, len(values))


def codes_of(values: np.ndarray) -> np.ndarray:
    """(N,) numbers 0, 1, ... of the values that occur, equal where these are."""
    if isinstance(values, CodedTexts) and values.distinct:
        there = np.bincount(values.codes, minlength=len(values.table)) > 0
        codes = values.codes.astype(np.intp)
        return codes if there.all() else (np.cumsum(there) - 1)[codes]
    if isinstance(values, np.ndarray) and values.dtype.kind != "U":
        return np.unique(values, return_inverse=True)[1]
    marks = hashes(values)
    codes = np.unique(marks, return_inverse=True)[1]  # numbers are sorted faster than texts
    one = np.zeros(int(codes.max(initial=-1)) + 1, np.intp)
    one[codes] = np.arange(len(codes))  # a row of each
    for start in range(0, len(codes), BLOCK):
        rows = slice(start, start + BLOCK)
        if (values[one[codes[rows]]] != values[rows]).any():  # two texts of one mark
            return np.unique(np.asarray(values), return_inverse=True)[1]
    return codes


def smallest(numbers: np.ndarray, count: int) -> np.ndarray:
    """Numbers below ``count`` in the fewest bytes."""
    return numbers.astype(np.min_scalar_type(max(count - 1, 0)), copy=False)


def _unsigned(most: int) -> type:
    return np.uint32 if most < 1 << 32 else np.uint64
