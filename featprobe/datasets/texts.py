"""Reading of tables as text: CSV and TSV in any usual encoding, and Parquet."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from featprobe.core.errors import InputError, reason
from featprobe.datasets.tables import read_columns

if TYPE_CHECKING:
    import pandas

SEPARATORS = ",;\t|"
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip


def read_table(path: Path) -> pandas.DataFrame:
    """Read a CSV, TSV or Parquet table as text, stripped of spaces; row i is line i + 2.

    UTF-8, UTF-16 and UTF-32 by their byte order mark, UTF-8 without one, else Windows' Western
    European. Fields are separated by what a first line ``sep=;`` names, or by whatever parts the
    header most often outside of quotes. Rows without any text are dropped, as are empty fields
    beyond the header. A second column of one name becomes ``name.1``.

    Raises :class:`InputError` for what is no such table, with the line.
    """
    import pandas

    if path.suffix.lower() == ".parquet":
        columns = read_columns([path])[1]
        return pandas.DataFrame(
            {k: ["" if v is None else str(v) for v in column] for k, column in columns.items()},
            dtype=str,
        )
    try:
        rows = _rows(path, decode(path))
    except (csv.Error, OSError) as error:
        raise InputError(f"{path}: not a table that can be read: {reason(error)}") from None
    if not rows:
        raise InputError(f"{path}: not a table that can be read: it has no lines")
    header = _names(rows[0])
    if len(rows) < 2:
        raise InputError(f"{path}: the manifest has no rows")
    return pandas.DataFrame(rows[1:], columns=header, dtype=str)


def decode(path: Path) -> str:
    """Decode the text of a file by its byte order mark, as UTF-8, or as cp1252 (Latin-1).

    Raises :class:`InputError` for what is no text.
    """
    data = path.read_bytes()
    if data[:4] == b"PK\x03\x04":
        raise InputError(
            f"{path}: not a table that can be read: it is a zip archive or an Excel workbook; save "
            "the sheet as CSV"
        )
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise InputError(f"{path}: not a table that can be read: {error}") from None
    for encoding, high in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
        if len(data) > 3 and high.count(0) > 0.9 * len(high):  # mostly Latin letters, no mark
            return data.decode(encoding, errors="replace")
    if b"\0" in data:
        raise InputError(
            f"{path}: not a table that can be read: it holds null bytes; save it as UTF-8 text"
        )
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _rows(path: Path, text: str) -> list[list[str]]:
    """The header and the rows that have text, each as long as the header."""
    separator, lines = _separator(text)
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(lines, newline=""), delimiter=separator, skipinitialspace=True)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if rows:
            width = len(rows[0])
            if any(cells[width:]):
                raise InputError(
                    f"{path}: not a table that can be read: line {reader.line_num} has "
                    f"{len(cells)} fields, the header {width} (separator {separator!r})"
                )
            cells = cells[:width] + [""] * (width - len(cells))
        rows.append(cells)
    return rows


def _separator(text: str) -> tuple[str, str]:
    """What separates the fields, and the text from the header on."""
    first, _, rest = text.partition("\n")
    message = first.strip().strip('"').lower()
    if message.startswith("sep=") and len(message) <= 5:
        return (first.strip().strip('"')[4:5] or "\t"), rest
    header = next((line for line in text.splitlines() if line.strip()), "")
    bare = "".join(header.split('"')[::2])  # what stands outside of quotes
    return max(SEPARATORS, key=bare.count), text


def _names(header: list[str]) -> list[str]:
    """Column names, told apart as pandas does."""
    seen: Counter[str] = Counter()
    out = []
    for i, cell in enumerate(header):
        name = cell or f"Unnamed: {i}"
        out.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return out
