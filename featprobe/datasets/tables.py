"""Columnar files: Parquet, and the Arrow files of a folder saved by Hugging Face's ``datasets``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, MissingExtra


def table_files(path: Path) -> list[Path]:
    """The table files of a path, in order; empty where it is something else.

    A Parquet file, the Parquet files of a folder or of its folder ``data``, or the Arrow files of
    a ``Dataset`` or ``DatasetDict`` saved by ``save_to_disk``. Raises :class:`InputError` for a
    damaged index of such a folder.
    """
    if path.is_file():
        return [path] if path.suffix in (".parquet", ".arrow") else []
    if (path / "dataset_dict.json").is_file():
        splits = _json(path / "dataset_dict.json", "splits")
        return [file for s in splits for file in _saved(path / str(s))]
    if (path / "state.json").is_file():
        return _saved(path)
    return sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))


def _saved(folder: Path) -> list[Path]:
    named = _json(folder / "state.json", "_data_files")
    return [folder / str(f["filename"]) for f in named]


def _json(path: Path, field: str) -> list[Any]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))[field])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the index of a saved data set: {error}") from None


def split_name(path: Path) -> str:
    """What a file is called after: its folder for Arrow, the start of its name for Parquet."""
    if path.suffix == ".arrow":
        return path.parent.name
    return path.name.split("-")[0].removesuffix(".parquet")


class Table:
    """An open table file: its ``schema``, and ``rows``, the number of rows of each group."""

    def __init__(self, schema: Any, rows: list[int], file: Any) -> None:
        self.schema, self.rows, self._file = schema, rows, file

    def columns(self, names: Sequence[str]) -> Any:
        """Whole columns as a pyarrow table."""
        if hasattr(self._file, "read_row_group"):
            return self._file.read(columns=list(names))
        return self._file.select(list(names))

    def cells(self, group: int, name: str) -> Any:
        """One column of one group of rows, as a pyarrow array."""
        if hasattr(self._file, "read_row_group"):
            return self._file.read_row_group(group, [name])[name]
        return self._file.to_batches()[group].column(name)


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a Parquet or Arrow file; an Arrow file is mapped, not read.

    Raises :class:`MissingExtra` without pyarrow and :class:`InputError` for a damaged file.
    """
    try:
        import pyarrow
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra(
            "Parquet and Arrow files need pyarrow: pip install 'featprobe[parquet]'"
        ) from None
    try:
        if path.suffix == ".arrow":
            table = pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))).read_all()
            yield Table(table.schema, [b.num_rows for b in table.to_batches()], table)
        else:
            with pq.ParquetFile(path) as f:
                rows = [f.metadata.row_group(g).num_rows for g in range(f.num_row_groups)]
                yield Table(f.schema_arrow, rows, f)
    except (pyarrow.ArrowException, OSError) as error:
        kind = path.suffix[1:].capitalize()
        raise InputError(f"{path}: not a readable {kind} file: {error}") from None


def read_columns(parts: Sequence[Path]) -> tuple[Any, dict[str, list[Any]], list[np.ndarray]]:
    """The schema, the columns other than images by name, and the first rows of row groups."""
    tables, starts = [], []
    for part in parts:
        with open_table(part) as table:
            schema = table.schema
            light = [n for n in schema.names if not is_image(schema.field(n).type)]
            tables.append(table.columns(light).to_pydict())
            starts.append(np.concatenate([[0], np.cumsum(table.rows, dtype=np.int64)]))
    if any(t.keys() != tables[0].keys() for t in tables):
        raise InputError(f"{parts[0].parent}: the files differ in their columns")
    return schema, {k: [v for t in tables for v in t[k]] for k in tables[0]}, starts


def is_image(kind: Any) -> bool:
    """Whether a column type holds encoded images: binary, or a struct with ``bytes``."""
    import pyarrow.types as t

    if t.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return t.is_binary(kind) or t.is_large_binary(kind)
