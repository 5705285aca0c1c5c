"""Which files a data set is read from."""

from __future__ import annotations

from pathlib import Path

from featprobe.datasets.base import Dataset
from featprobe.datasets.file_paths import FilePaths
from featprobe.datasets.sources import FileSource
from featprobe.images import files

_TABLES = (".csv", ".tsv", ".tab", ".txt", ".json", ".xlsx", ".xls", ".parquet")
_MOST = 100


def tables_in(path: Path) -> tuple[Path, ...]:
    """The file itself, or the tables that lie directly in a folder (at most 100 of them)."""
    if path.is_file():
        return (path,)
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in _TABLES and p.is_file())
    return tuple(found[:_MOST])


def files_of(data: Dataset, most: int) -> list[str]:
    """The files that the pixels of at most so many items, evenly over the data set, are read from;
    none of arrays in memory."""
    source = data.source
    if not isinstance(source, FileSource):
        return [str(path) for path in getattr(source, "files", ())]
    paths = FilePaths.of(source.paths)
    step = -(-len(paths) // most) or 1
    chosen = range(0, len(paths), step)
    return [name for i in chosen for name in files.parts(paths.texts(i))]
