"""Paths as tables give them, to the files of items."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from featprobe.core.errors import InputError
from featprobe.datasets.columns import PATHS, named, require_columns
from featprobe.datasets.listing import collect
from featprobe.datasets.read_options import ReadOptions
from featprobe.datasets.tree import walk
from featprobe.images import files

if TYPE_CHECKING:
    import pandas

_LOOKED_AT = 200_000  # files that are looked through for a hint where none is found


@dataclass
class Finder:
    """Finds the files that a table names below ``base``; folders are listed once."""

    table: Path
    base: Path
    _listed: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    guessed: int = 0
    missing: list[str] = field(default_factory=list)

    def __call__(self, text: str, row: int) -> tuple[Path, ...]:
        """The file, or the files of the folder of one series; a missing file as it is named.

        Backslashes part folders and a suffix may be absent, where no file is called as written;
        ``~`` is the home folder. Raises :class:`InputError` for a path that leaves ``base``.
        """
        if not text:
            raise InputError(f"{self.table}: row {row} has no path")
        path = self._existing(text, row)
        if not path.resolve().is_relative_to(self.base):
            raise InputError(
                f"{self.table}: row {row}: {text!r} lies outside {self.base}; give a --root that "
                "holds it"
            )
        if path.is_dir():
            found = collect(path)
            if len(found.paths) != 1:
                raise InputError(
                    f"{self.table}: row {row}: {text!r} holds {len(found.paths)} items, expected "
                    "one DICOM series"
                )
            return tuple(path / name for name in found.paths[0])
        return (path,)

    def _existing(self, text: str, row: int) -> Path:
        plain = self.base / os.path.expanduser(text)
        if plain.exists():
            return plain
        turned = self.base / os.path.expanduser(text.replace("\\", "/"))
        if turned.exists():
            return turned
        if files.kind_of(turned) is None and turned.resolve().is_relative_to(self.base):
            there = self._stems(str(turned.parent)).get(turned.name, [])
            if len(there) > 1:
                raise InputError(
                    f"{self.table}: row {row}: {text!r} may be {' or '.join(there[:3])}; write "
                    "the suffix"
                )
            if there:
                self.guessed += 1
                return turned.parent / there[0]
        self.missing.append(text)
        return plain if plain.resolve().is_relative_to(self.base) else turned

    def _stems(self, folder: str) -> dict[str, list[str]]:
        """The images of a folder by their names without suffix."""
        if folder not in self._listed:
            stems: dict[str, list[str]] = {}
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                stem = name[:-7] if name.lower().endswith(".nii.gz") else os.path.splitext(name)[0]
                if stem != name and files.kind_of(Path(folder, name)):
                    stems.setdefault(stem, []).append(name)
            self._listed[folder] = stems
        return self._listed[folder]

    def hint(self, text: str) -> str:
        """Suggest where a missing file may be: another folder, or the same name in other case."""
        name = text.replace("\\", "/").rsplit("/", 1)[-1]
        for i, path in enumerate(walk(self.base)):
            if i > _LOOKED_AT:
                break
            if name.lower() in (path.name.lower(), path.stem.lower()):
                inner = path.relative_to(self.base).as_posix()
                return f" ({inner!r} is there)"
        return ""


def path_columns(
    path: Path, table: pandas.DataFrame, base: Path, modalities: Sequence[str], reading: ReadOptions
) -> list[str]:
    """The column of file paths, or the columns of the modalities.

    Of several columns of a usual name the first of which a file is there; without any, the one
    whose values are mostly files.
    """
    require_columns(path, table, modalities)
    if modalities:
        return list(modalities)
    if reading.path is not None:
        require_columns(path, table, [reading.path])
        return [reading.path]
    usual = named(table.columns, PATHS)
    for column in usual:
        if len(usual) == 1 or _share(table[column].tolist(), base):
            return [column]
    if usual:
        return usual[:1]
    by_value = [c for c in table.columns if _share(table[c].tolist(), base) > 0.5]
    if len(by_value) == 1:
        return by_value
    raise InputError(
        f"{path}: no column of file paths; expected one of {', '.join(PATHS[:7])}, "
        f"found {', '.join(table.columns)}; name it with --path COLUMN"
    )


def _share(values: Sequence[str], base: Path, most: int = 50) -> float:
    """The share of values that are files, of some taken evenly."""
    some = list(values)[:: max(1, len(values) // most)]
    find = Finder(Path("table"), base)
    there = 0
    for text in some:
        try:
            there += bool(text) and find._existing(text, 0).is_file()
        except (InputError, OSError, ValueError):
            continue
    return there / len(some)
