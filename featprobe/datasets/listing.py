"""The files below a folder as items: images, DICOM series, and what is left aside."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.file_index import FileIndex
from featprobe.core.text_columns import PackedTexts
from featprobe.datasets import tree
from featprobe.datasets.derived import MASK, sort_out
from featprobe.datasets.dicom_items import gather
from featprobe.datasets.file_paths import ItemNames
from featprobe.images import facts, files


@dataclass
class Found:
    """Items of a folder before they become a Dataset: ``paths`` from there, with ``/``;
    ``patients``: one an item where any is DICOM, else none; ``notes`` and ``warnings`` of what
    DICOM files were made into."""

    paths: ItemNames = field(default_factory=lambda: ItemNames(()))
    patients: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    others: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)

    def skip(self, kind: str, n: int = 1) -> None:
        if n:
            self.skipped[kind] = self.skipped.get(kind, 0) + n

    def keep(self, rows: Sequence[int]) -> None:
        """Leave out all items but these, in this order."""
        self.paths = self.paths.take(rows)
        self.patients = [self.patients[i] for i in rows] if self.patients else []


def collect(
    root: Path, derived: str = "skip", without: Sequence[Path] = (), memory: Path | None = None
) -> Found:
    """List all items below a folder, DICOM files gathered into series.

    ``derived``: what becomes of files made from images (masks, thumbnails, DICOM segmentations,
    doses, captures of reports): ``skip`` counts them, ``keep`` makes them items. ``without``:
    folders that are left out. ``memory``: where headers are remembered. A file is opened where its
    name does not tell what it is, and one that is DICOM.
    """
    found = Found()
    inside = (n for n in tree.names(root) if not (without and _below(Path(root, n), without)))
    names = PackedTexts(inside)
    index = FileIndex(memory, facts.describe, facts.version())
    kinds = _kinds(root, names, index)
    images = np.array([bool(k) for k in kinds], bool)
    made = {} if derived == "keep" else sort_out(_at(names, images))
    slices: list[str] = []
    for i, (name, kind) in enumerate(zip(names, kinds)):
        if name in made:
            images[i] = False
            found.skip(made[name])
            if made[name] == MASK:
                found.masks.append(Path(root, name))
        elif kind == "dicom":
            images[i] = False
            slices.append(name)
        elif not kind:
            path = Path(root, name)
            found.skip(f"not an image ({path.suffix.lower() or 'no suffix'})")
            found.others.append(path)
    found.paths = ItemNames(_at(names, images))
    if slices:
        gathered = gather(root, slices, derived == "keep", index.state, memory, index.known)
        found.notes, found.warnings = gathered.notes, gathered.warnings
        for what, several in gathered.counts.items():
            found.skip(what, several)
        series = (tuple(slices[i] for i in item) for item in gathered.items)
        found.patients = [""] * len(found.paths) + gathered.patients
        found.paths = ItemNames(chain(found.paths, series))
    if any(a > b for a, b in pairwise(map(first_of, found.paths))):  # few folders lie otherwise
        firsts = list(map(first_of, found.paths))
        found.keep(sorted(range(len(firsts)), key=firsts.__getitem__))
    if not found.paths:
        suffixes = Counter(p.suffix.lower() or "no suffix" for p in found.others)
        text = ", ".join(f"{n} {k}" for k, n in suffixes.items())
        other = f" ({len(found.others)} other files: {text})" if found.others else ""
        raise InputError(f"{root}: no image files in this folder{other}")
    return found


def _at(names: PackedTexts, which: np.ndarray) -> PackedTexts:
    """Some of the names, without a copy where that is all."""
    return names if which.all() else PackedTexts(names.take(np.flatnonzero(which)))


def _kinds(root: Path, names: PackedTexts, index: FileIndex) -> list[str | None]:
    """The kind of each file by its name, or by its header where the name does not tell it."""
    kinds = files.kinds_of_names(names)
    asked = [
        i for i, (name, kind) in enumerate(zip(names, kinds))
        if kind == "dicom" or not (kind or files.is_other(name))
    ]  # fmt: skip
    base = os.path.join(root, "")
    paths = (base + name for name in names.take(np.array(asked, np.int64)))
    for i, kind in zip(asked, index.look(paths)):
        kinds[i] = kinds[i] or kind
    return kinds


def _below(path: Path, folders: Sequence[Path]) -> bool:
    return any(Path(os.path.abspath(path)).is_relative_to(folder) for folder in folders)


def first_of(item: Sequence[str]) -> str:
    """The first file of an item, folder by folder."""
    return item[0] if len(item) == 1 else min(item, key=lambda name: name.split("/"))
