"""CSV that a spreadsheet opens as what it is: text stays text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Any

# A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection).
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def cell(value: Any) -> Any:
    """The value, text that a spreadsheet would compute behind an apostrophe; numbers stay."""
    text = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if text else value


class Writer:
    """Rows to a file as CSV, every one of their cells as :func:`cell` has it."""

    def __init__(self, file: Any, lineterminator: str = "\n") -> None:
        self._writer = csv.writer(file, lineterminator=lineterminator)

    def writerow(self, row: Iterable[Any]) -> None:
        """Write a row."""
        self._writer.writerow([cell(value) for value in row])
