"""Tables with encoded images, as the Hugging Face hub and ``datasets`` store them."""

from __future__ import annotations

import json
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, UnreadableItem
from featprobe.datasets.base import Dataset, Progress
from featprobe.datasets.columns import GROUPS, LABELS, named, require_columns
from featprobe.datasets.hdf5 import row_digests
from featprobe.datasets.labels import set_labels
from featprobe.datasets.parts import NAMES
from featprobe.datasets.read_options import ReadOptions
from featprobe.datasets.tables import is_image, open_table, read_columns, split_name, table_files
from featprobe.datasets.targets import add_array, add_text
from featprobe.images import files as readers
from featprobe.images.decoded_image import DecodedImage, FrameRecipe
from featprobe.images.versions import kind_encoded

KEPT_ROW_GROUPS = 4
# What a file begins with, and the suffix by which its reader is found; Pillow knows the others.
_MAGIC = {b"II*\0": ".tif", b"MM\0*": ".tif"}


@dataclass(frozen=True)
class ParquetSource:
    """Items that are rows of table files, with an encoded image of one frame in ``column``.

    The image is its bytes, or a struct of ``bytes`` and ``path``. ``starts``: for each file, the
    first row of every row group, and the number of rows. A few row groups stay in memory, so that
    rows read in order come from the disk once.
    """

    files: Sequence[Path]
    column: str
    starts: Sequence[np.ndarray]
    memory: Path | None = None
    _recent: OrderedDict[tuple[int, int], Any] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def frames(self, i: int, recipe: FrameRecipe) -> int:
        return 1

    def read(self, i: int, recipe: FrameRecipe) -> DecodedImage:
        value, where = self._value(i)
        encoded, name = _encoded(value)
        if not encoded:
            kept = f"its bytes are not in the table but in {name}" if name else "no image"
            raise UnreadableItem(f"{where}: {kept}")
        suffix = _MAGIC.get(encoded[:4]) or PurePosixPath(name).suffix or ".png"
        with tempfile.NamedTemporaryFile(suffix=suffix) as f:  # one door for all formats: a file
            f.write(encoded)
            f.flush()
            try:
                return readers.read((Path(f.name),), recipe)
            except UnreadableItem as error:
                raise UnreadableItem(f"{where}: {str(error).replace(f.name, name)}") from error

    def contents(self, progress: Progress | None = None) -> list[str]:
        sizes = [(p, int(s[-1])) for p, s in zip(self.files, self.starts)]
        return row_digests(sizes, self.memory, progress)

    def kinds(self) -> set[str]:
        """Told by the content of every row, up to the first that is not a plain picture."""
        return self._kinds

    @cached_property
    def _kinds(self) -> set[str]:
        found = set()
        for i in range(sum(int(s[-1]) for s in self.starts)):
            encoded, name = _encoded(self._value(i)[0])
            found |= {kind_encoded(encoded[:26], name)} if encoded else set()
            if "raster" in found:
                break
        return found

    def former_kinds(self) -> set[str]:
        """What keys said before the content was looked at: features under them are the same."""
        return {"raster"}

    def _value(self, i: int) -> tuple[Any, str]:
        """The cell of row i, and in words where it is."""
        file = 0
        while i >= self.starts[file][-1]:
            i -= int(self.starts[file][-1])
            file += 1
        group = int(np.searchsorted(self.starts[file], i, side="right")) - 1
        with self._lock:
            if (file, group) not in self._recent:
                with open_table(self.files[file]) as table:
                    self._recent[file, group] = table.cells(group, self.column)
                while len(self._recent) > KEPT_ROW_GROUPS:
                    self._recent.popitem(last=False)
            column = self._recent[file, group]
        return column[i - int(self.starts[file][group])].as_py(), f"{self.files[file]}: row {i}"


def _encoded(value: Any) -> tuple[bytes | None, str]:
    """The bytes of a cell, and the name that stands beside them."""
    if isinstance(value, dict):
        return value.get("bytes"), value.get("path") or ""
    return value, ""


def load_parquet(
    path: Path,
    name: str,
    recipe: FrameRecipe,
    reading: ReadOptions | None = None,
    memory: Path | None = None,
) -> Dataset:
    """Read a Parquet file, a folder of them, or a folder saved by ``datasets``, as a data set.

    The first column of images (bytes, or a struct with bytes) is shown; labels are the column of
    a usual name or those of the ``reading``, one (text, numbers, or lists of 0 and 1) or several of
    0, 1 and null; class names come from the Hugging Face metadata. Groups are the column of a usual
    name, or that of the ``reading``. The split is the start of the file name
    (``train-00000-of-00002.parquet``), or the folder of an Arrow file, where all files have one.
    """
    reading = reading or ReadOptions()
    parts = table_files(path)
    schema, table, starts = read_columns(parts)
    column = next((c for c in schema.names if is_image(schema.field(c).type)), None)
    if column is None:
        raise InputError(
            f"{path}: no column of encoded images (binary, or a struct with bytes) among "
            f"{', '.join(schema.names)}"
        )
    prefix = [split_name(p) for p in parts]
    sizes = [int(s[-1]) for s in starts]
    data = Dataset(
        name=name,
        ids=np.array([f"{p}/{i:06d}" for p, n in zip(_stems(parts), sizes) for i in range(n)]),
        source=ParquetSource(parts, column, starts, memory),
        recipe=recipe,
    )
    if all(p in NAMES for p in prefix):
        data.split = np.repeat([NAMES[p] for p in prefix], sizes)
        data.split_origin = "names of the table files"
    known = reading.group in ("auto", "none")
    options = () if reading.label == ("none",) else reading.label
    require_columns(path, table, (*options, *(() if known else (reading.group,))))
    usual = next(iter(named(table, (*GROUPS, "lesionid"))), None)
    groups = usual if known else reading.group
    if groups and reading.group != "none":
        data.groups = np.array([str(v) for v in table[groups]])
        data.group_origin = f"column {groups!r} of the table"
    columns = list(options) or named(table, LABELS)[:1]
    if columns and reading.labelled:
        _add_labels(data, path, columns, table, reading, _class_names(schema, columns[0]))
        data.label_origin = f"column{'s' * (len(columns) > 1)} {', '.join(map(repr, columns))}"
    return data


def _stems(parts: Sequence[Path]) -> list[str]:
    """A name for each file: its stem, below its folder where several folders have it."""
    stems = [p.stem for p in parts]
    return stems if len(set(stems)) == len(stems) else [f"{p.parent.name}/{p.stem}" for p in parts]


def holds_images(path: Path) -> bool:
    """Whether a Parquet file has a column of encoded images; without one it is a manifest."""
    return any(is_image(f.type) for f in read_columns([path])[0])


def _class_names(schema: Any, column: str) -> list[str]:
    """Names of a ClassLabel column from the metadata that the ``datasets`` library writes."""
    try:
        info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        feature = info["info"]["features"][column]
        return [str(n) for n in (feature.get("feature") or feature)["names"]]
    except (ValueError, KeyError, TypeError):
        return []


def _add_labels(
    data: Dataset, path: Path, columns: list[str], table: dict[str, list[Any]],
    reading: ReadOptions, names: list[str],
) -> None:  # fmt: skip
    values = table[columns[0]]
    lists = any(isinstance(v, list) for v in values)
    requested = reading.missing or reading.separator or reading.uncertain
    if requested or (len(columns) > 1 and not lists):
        import pandas

        texts = {c: ["" if v is None or v != v else str(v) for v in table[c]] for c in columns}
        data.notes += set_labels(path, pandas.DataFrame(texts), data, columns, reading)
        return
    if names and not lists and not reading.task:
        values = [-1 if v is None else v for v in values]
    elif not lists and (reading.task or any(v is None or isinstance(v, str) for v in values)):
        texts_of = ["" if v is None else str(v) for v in values]
        data.notes += add_text(data, texts_of, path, reading.task)
        return
    try:
        y = np.array(values, dtype=float if lists else None)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {columns[0]!r} is no label: {error}") from None
    add_array(data, y, path, names)
