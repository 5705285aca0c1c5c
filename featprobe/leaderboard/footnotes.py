"""Notes of results as footnotes of a table: a mark on the row, the sentence below, each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Noted(Protocol):
    """What has notes: a Result, a Retrieval."""

    notes: list[str]


class Footnotes:
    """Numbers of the sentences that are said of some rows, in order of their first appearance."""

    def __init__(self, noted: Iterable[Noted]) -> None:
        stated = dict.fromkeys(text for r in noted for text in r.notes)
        self._number = {text: i for i, text in enumerate(stated, 1)}

    def marks(self, r: Noted) -> str:
        """``" ¹ ³"``, to be put behind a cell of the row; nothing where nothing is said of it."""
        numbers = sorted(self._number[text] for text in dict.fromkeys(r.notes))
        return "".join(f" {_raised(n)}" for n in numbers)

    def lines(self) -> list[str]:
        """The sentences with their marks, to be put below the table."""
        return [f"{_raised(n)} {text}" for text, n in self._number.items()]


def _raised(number: int) -> str:
    return str(number).translate(RAISED)
