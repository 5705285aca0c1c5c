"""What the readers of official layouts share: find files, read tables, encode labels, assemble."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.core.errors import InputError, MissingPath, nearest
from featprobe.datasets.base import Dataset, FileSource, Source
from featprobe.datasets.tree import walk
from featprobe.images import raster
from featprobe.images.decoded_image import FrameRecipe

if TYPE_CHECKING:
    import pandas


def find(root: Path, *patterns: str) -> Path:
    """Find the first file or folder that matches one of several patterns relative to ``root``.

    Raises :class:`MissingPath` naming all of them.
    """
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            return path
    raise MissingPath(f"{root}: no {' or '.join(patterns)} there")


def read_table(path: Path, columns: Iterable[str], **options: Any) -> pandas.DataFrame:
    """A CSV file (gzip too) as text, blanks as empty strings; :class:`InputError` for lost columns.

    Spaces around column names are dropped.
    """
    import pandas

    try:
        table = pandas.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8-sig", **options
        )
    except (ValueError, OSError, EOFError, zlib.error) as error:  # pandas' own are ValueErrors
        raise InputError(f"{path}: not a table that can be read: {error}") from None
    table.columns = [str(c).strip() for c in table.columns]
    for c in columns:
        if c not in table.columns:
            raise InputError(f"{path}: no column {c!r}.{nearest(c, table.columns)}")
    if not len(table):
        raise InputError(f"{path}: the table has no rows")
    return table


def read_list(path: Path) -> list[str]:
    """The lines of a text file, blank ones dropped."""
    return [line for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]


def index_files(
    root: Path,
    suffixes: tuple[str, ...] = raster.SUFFIXES,
    key: Callable[[Path], str] = lambda p: p.stem,
) -> dict[str, Path]:
    """Files below a folder by key (their stem), from one scan of the folders.

    Raises :class:`InputError` when two files have one key, because the layout then says nothing.
    """
    found: dict[str, Path] = {}
    for path in walk(root):
        if path.name.lower().endswith(suffixes):
            k = key(path)
            if k in found:
                raise InputError(f"{path} and {found[k]} have one name; keep one of them")
            found[k] = path
    return found


def encode(values: pandas.Series, names: Sequence[str], where: Path) -> np.ndarray:
    """Class numbers (N,) int64 of label texts, -1 where blank; other texts are an error."""
    text = values.str.strip()
    codes = text.map({n: i for i, n in enumerate(names)})
    odd = codes.isna() & (text != "")
    if odd.any():
        value = str(text[odd].iloc[0])
        raise InputError(
            f"{where}: label {value!r} is none of {', '.join(names)}.{nearest(value, names)}"
        )
    return codes.fillna(-1).to_numpy().astype(np.int64)


def final_digit(path: Path) -> int:
    """The label at the end of a file name (``MCUCXR_0001_0.png``), 0 or 1."""
    if path.stem[-2:] not in ("_0", "_1"):
        raise InputError(f"{path}: the name does not end in _0 or _1, the label")
    return int(path.stem[-1])


def numbers(table: pandas.DataFrame, columns: Sequence[str], where: Path) -> np.ndarray:
    """Columns as float (N, C), NaN where blank; anything else is an error."""
    import pandas

    try:
        return np.stack(
            [pandas.to_numeric(table[c].where(table[c] != "")).to_numpy(float) for c in columns], 1
        )
    except ValueError as error:
        raise InputError(f"{where}: a label is no number: {error}") from None


def grades(table: pandas.DataFrame, column: str, n: int, where: Path) -> np.ndarray:
    """Ordinal grades 0 to n - 1 of a column of numbers, -1 where blank."""
    values = numbers(table, [column], where)[:, 0]
    known = ~np.isnan(values)
    odd = values[known & ~np.isin(values, np.arange(n))]
    if len(odd):
        raise InputError(f"{where}: {column} {odd[0]:g} is none of 0 to {n - 1}")
    return np.where(known, values, -1).astype(np.int64)


def one_hot(table: pandas.DataFrame, columns: Sequence[str], where: Path) -> np.ndarray:
    """Class numbers (N,) of one-hot columns, -1 for rows of zeros; two ones are an error."""
    marks = numbers(table, columns, where) == 1
    twice = np.flatnonzero(marks.sum(1) > 1)
    if len(twice):
        raise InputError(f"{where}: row {twice[0] + 2} is of more than one class")
    return np.where(marks.any(1), marks.argmax(1), -1)


def multilabel(
    values: pandas.Series, names: Sequence[str], where: Path, sep: str = "|", none: str = ""
) -> np.ndarray:
    """Label texts joined by ``sep`` as a matrix (N, C) of 0 and 1; ``none`` stands for no label."""
    parts = values.str.split(sep).explode()
    parts = parts[parts.str.strip() != none]
    codes = encode(parts, names, where)
    matrix = np.zeros((len(values), len(names)))
    known = codes >= 0
    matrix[values.index.get_indexer(parts.index[known]), codes[known]] = 1
    return matrix


def assemble(
    name: str,
    root: Path,
    ids: Iterable[str],
    paths: Sequence[Path | tuple[Path, ...] | None],
    recipe: FrameRecipe,
    memory: Path,
    *,
    listed_in: str = "",
    on_disk: int | None = None,
    make_source: Callable[[list[tuple[Path, ...]]], Source] | None = None,
    **columns: Any,
) -> Dataset:
    """Assemble a Dataset of the rows whose files exist.

    ``paths``: the file or files of each row, None where absent: such rows are left out with a
    note, so that a part of a large data set can be used, and :class:`MissingPath` is raised where
    no file at all is there. ``on_disk``: number of images found, to count those without a row.
    ``make_source``: other pixels than those of plain image files. ``columns``: further fields of
    the Dataset, those of one value an item (targets, groups, split, masks) before the omission.
    """
    names = np.asarray(list(ids), dtype=np.str_)
    there = np.array([p is not None for p in paths], dtype=bool)
    if not there.any():
        first = f", first {str(names[0])!r}" if len(names) else ""
        raise MissingPath(
            f"{root}: none of the {len(names)} images of {listed_in} are there{first}"
        )
    files = [p if isinstance(p, tuple) else (p,) for p in paths if p is not None]
    for field in ("targets", "groups", "split"):
        if columns.get(field) is not None:
            columns[field] = np.asarray(columns[field])[there]
    if columns.get("masks") is not None:
        columns["masks"] = columns["masks"].only(np.flatnonzero(there).tolist())
    columns = {field: value for field, value in columns.items() if value is not None}
    data = Dataset(
        name=name,
        ids=names[there],
        source=make_source(files) if make_source else FileSource(files, memory),
        recipe=recipe,
        **columns,
    )
    if not there.all():
        data.notes.append(
            f"{int((~there).sum())} of the {len(there)} items of {listed_in} have no file and are "
            "left out"
        )
    if on_disk is not None and on_disk > len(files):
        data.skipped[f"image without a row in {listed_in}"] = on_disk - len(files)
    return data


def lookup(index: Mapping[str, Path], keys: Iterable[str]) -> list[Path | None]:
    """Look up the file of each key, None where there is none."""
    return [index.get(k) for k in keys]
