"""A folder of images: class folders, split folders, or plain files."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.file_index import FileIndex
from featprobe.datasets import tree
from featprobe.datasets.base import Dataset, FileSource
from featprobe.datasets.class_order import ordered
from featprobe.datasets.derived import MASK, sort_out
from featprobe.datasets.dicom_items import gather
from featprobe.datasets.encode import each_text
from featprobe.datasets.file_paths import FilePaths
from featprobe.datasets.groups import groups_as_codes, infer_groups, label_texts
from featprobe.datasets.layout import read_layout
from featprobe.datasets.mask_layouts import (
    folders_of,
    masks_of_folder,
    named_folders,
    of_channel,
)
from featprobe.datasets.patient_names import scheme_of
from featprobe.datasets.read_options import ReadOptions
from featprobe.images import facts, files
from featprobe.images.decoded_image import FrameRecipe

# Files that lie beside images and are none: a folder of such is no class that was lost.
TEXTS = {
    ".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".log", ".html", ".pdf", ".py",
    ".ipynb", ".ini", ".cfg", ".doc", ".docx", ".xls", ".xlsx", ".sh", ".db", ".out", ".parquet",
}  # fmt: skip


@dataclass
class _Found:
    """Items of a folder before they become a Dataset: ``paths`` from there, with ``/``; ``notes``
    and ``warnings`` of what DICOM files were made into."""

    paths: list[tuple[str, ...]] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    others: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)

    def skip(self, kind: str, n: int = 1) -> None:
        if n:
            self.skipped[kind] = self.skipped.get(kind, 0) + n


def load_folder(
    root: Path,
    name: str,
    recipe: FrameRecipe,
    reading: ReadOptions | None = None,
    memory: Path | None = None,
    derived: str = "skip",
) -> Dataset:
    """Read a folder as a data set.

    Layouts, told apart by what is there: ``split/class/files``; ``class/files``; folders of
    patients (no labels); ``images/`` beside ``labels/`` (the images are items without class, see
    :mod:`~featprobe.datasets.mask_layouts`); files alone (no labels): see
    :func:`~featprobe.datasets.layout.read_layout`. A DICOM series that forms a volume is one item.
    ``derived``: see :func:`collect`.
    """
    reading = reading or ReadOptions()
    if not root.is_dir():
        raise InputError(f"{root}: not a folder")
    beside = folders_of(root)
    wanted = not reading.bare and reading.masks != ("none",) and derived != "keep"
    named = named_folders(root, reading.masks) if wanted and reading.masks else {}
    if beside:
        found = collect(root / beside[0], derived, memory=memory)
        found.paths = [tuple(f"{beside[0]}/{n}" for n in item) for item in found.paths]
        reading = replace(reading, label=("none",), split_column="none")
    else:
        found = collect(root, derived, [Path(os.path.abspath(f)) for f in named], memory)
    _one_channel(found, recipe)
    data = _dataset(root, name, found, recipe, reading, memory)
    if wanted:
        masks = masks_of_folder(root, data, found.masks, beside, named, reading)
        if masks is not None:
            masks.memory = memory and memory.with_suffix(".masks.index")
            data.skipped.pop(MASK, None)
            data.set_masks(masks)
    return data


def _one_channel(found: _Found, recipe: FrameRecipe) -> None:
    """Keep one channel of nnU-Net's images, the first or that of the recipe."""
    kept = of_channel(found.paths, recipe.channel or 0)
    found.skip("further channel of a case (--channel chooses one)", len(found.paths) - len(kept))
    found.paths = [found.paths[i] for i in kept]
    found.patients = [found.patients[i] for i in kept]


def load_single(path: Path, name: str, recipe: FrameRecipe, memory: Path | None = None) -> Dataset:
    """Read one image, volume or DICOM file as a data set of one item without a label."""
    return Dataset(
        name=name, ids=np.array([path.name]), source=FileSource([(path,)], memory), recipe=recipe
    )


def collect(
    root: Path, derived: str = "skip", without: Sequence[Path] = (), memory: Path | None = None
) -> _Found:
    """List all items below a folder, DICOM files gathered into series.

    ``derived``: what becomes of files made from images (masks, thumbnails, DICOM segmentations,
    doses, captures of reports): ``skip`` counts them, ``keep`` makes them items. ``without``:
    folders that are left out. ``memory``: where headers are remembered. A file is opened where its
    name does not tell what it is, and one that is DICOM.
    """
    found = _Found()
    names = [n for n in tree.names(root) if not (without and _below(Path(root, n), without))]
    index = FileIndex(memory, facts.describe, facts.version())
    kinds = _kinds(root, names, index)
    made = {} if derived == "keep" else sort_out(n for n, kind in zip(names, kinds) if kind)
    slices: list[str] = []
    for name, kind in zip(names, kinds):
        if name in made:
            found.skip(made[name])
            if made[name] == MASK:
                found.masks.append(Path(root, name))
        elif kind == "dicom":
            slices.append(name)
        elif kind:
            found.paths.append((name,))
            found.patients.append("")
        else:
            path = Path(root, name)
            found.skip(f"not an image ({path.suffix.lower() or 'no suffix'})")
            found.others.append(path)
    if slices:
        gathered = gather(root, slices, derived == "keep", index.state, memory, index.known)
        found.notes, found.warnings = gathered.notes, gathered.warnings
        for what, several in gathered.counts.items():
            found.skip(what, several)
        found.paths += [tuple(slices[i] for i in item) for item in gathered.items]
        found.patients += gathered.patients
    order = sorted(range(len(found.paths)), key=lambda i: _first(found.paths[i]))
    found.paths = [found.paths[i] for i in order]
    found.patients = [found.patients[i] for i in order]
    if not found.paths:
        suffixes = Counter(p.suffix.lower() or "no suffix" for p in found.others)
        text = ", ".join(f"{n} {k}" for k, n in suffixes.items())
        other = f" ({len(found.others)} other files: {text})" if found.others else ""
        raise InputError(f"{root}: no image files in this folder{other}")
    return found


def _kinds(root: Path, names: Sequence[str], index: FileIndex) -> list[str | None]:
    """The kind of each file by its name, or by its header where the name does not tell it."""
    kinds = files.kinds_of_names(names)
    asked = [i for i, k in enumerate(kinds) if k == "dicom" or not (k or files.is_other(names[i]))]
    base = os.path.join(root, "")
    for i, kind in zip(asked, index.look(base + names[i] for i in asked)):
        kinds[i] = kinds[i] or kind
    return kinds


def _below(path: Path, folders: Sequence[Path]) -> bool:
    return any(Path(os.path.abspath(path)).is_relative_to(folder) for folder in folders)


def _first(item: Sequence[str]) -> str:
    """The first file of an item, folder by folder."""
    return item[0] if len(item) == 1 else min(item, key=lambda name: name.split("/"))


def _ids(root: Path, items: Sequence[tuple[str, ...]]) -> list[str]:
    """Relative paths; a series is named by its folder when it has that folder to itself."""
    in_folder = Counter(item[0].rpartition("/")[0] for item in items)
    out = []
    for item in items:
        folder = item[0].rpartition("/")[0]
        alone = in_folder[folder] == 1 and all(n.rpartition("/")[0] == folder for n in item)
        out.append((folder or root.name) if alone and len(item) > 1 else _first(item))
    return out


def _dataset(
    root: Path, name: str, found: _Found, recipe: FrameRecipe, reading: ReadOptions,
    memory: Path | None,
) -> Dataset:  # fmt: skip
    """Empties the lists of ``found``: of a million files nothing is held twice."""
    ids = _ids(root, found.paths)
    shared: dict[str, tuple[str, ...]] = {}  # one tuple a folder, not one an item
    above = (item[0].rpartition("/")[0] for item in found.paths)
    parts = [shared.setdefault(f, tuple(f.split("/")) if f else ()) for f in above]
    layout = read_layout(root, ids, parts, found.patients, reading)
    kept: Sequence[int] = range(len(ids))
    if layout.left_out:
        kept = [i for i in kept if i not in layout.left_out]
    for why in dict.fromkeys(layout.left_out.values()):
        names = [ids[i] for i, w in layout.left_out.items() if w == why]
        found.skip(f"{why} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})", len(names))
    source = FileSource(FilePaths((found.paths[i] for i in kept), str(root)), memory)
    kept_ids = np.array([ids[i] for i in kept])
    del ids, parts
    found.paths.clear()
    data = Dataset(
        name=name, ids=kept_ids, recipe=recipe, skipped=found.skipped, source=source,
        groups=np.zeros(len(kept), "U1"), notes=[*layout.notes, *found.notes],
    )  # fmt: skip
    data.warn("series", found.warnings)
    if any(layout.split):
        data.split = np.array([layout.split[i] for i in kept])
        data.split_origin = "folders of the data set"
    labels = [layout.labels[i] for i in kept] if layout.labels else []
    if labels:
        data.classes = ordered(c for c in labels if c)
        code = {c: i for i, c in enumerate(data.classes)}
        data.targets = np.array([code.get(c, -1) for c in labels], dtype=np.int64)
        data.task, data.label_origin = "multiclass", layout.origin
        data.warn("files", _vanished(root, found.others, layout.depth, data.classes))
    else:
        data.notes.extend(_unread_tables(found.others))
    del labels
    patients = [found.patients[i] for i in kept]
    folders = [layout.patients[i] for i in kept] if layout.patients else []
    _set_groups(data, patients, folders, reading.group)
    return data


def _set_groups(data: Dataset, headers: Sequence[str], folders: Sequence[str], group: str) -> None:
    """Patients by the headers, else by folders that are patients, else by names."""
    anonymous = headers.count("")
    if group == "auto" and anonymous < len(headers):
        known = [f"id {p}" if p else f"none {i}" for i, p in enumerate(headers)]
        data.groups, data.group_origin = groups_as_codes(known), "PatientID of the DICOM headers"
        if anonymous:
            data.group_origin += f" ({anonymous} items have none: each its own group)"
    elif group == "auto" and folders and scheme_of(data.ids) is None:
        data.groups = np.array([f or i for f, i in zip(folders, each_text(data.ids))])
        data.group_origin = "folders of patients"
    else:
        data.groups, data.group_origin = infer_groups(data.ids, group, label_texts(data))


def _unread_tables(others: Sequence[Path]) -> list[str]:
    """What to do with tables that lie among images without labels: they may hold the labels."""
    tables = sorted(p for p in others if p.suffix.lower() in (".csv", ".tsv", ".parquet"))
    if not tables:
        return []
    more = f" and {len(tables) - 1} more tables were" if len(tables) > 1 else " was"
    return [
        f"{tables[0]}{more} not read; where a table holds the labels, give it in place of the "
        f"folder: --data {shlex.quote(str(tables[0]))}"
    ]


def _vanished(root: Path, others: Sequence[Path], depth: int, classes: Sequence[str]) -> list[str]:
    """Folders beside the classes of which no file can be read, unless all are texts."""
    inner: dict[str, Counter[str]] = {}
    for path in others:
        parts = path.relative_to(root).parts
        suffix = path.suffix.lower()
        if len(parts) > depth + 1 and parts[depth] not in classes and suffix not in TEXTS:
            inner.setdefault(parts[depth], Counter())[suffix or "no suffix"] += 1
    return [
        f"folder {name!r} is no class, since none of its files can be read: "
        + ", ".join(f"{n} {suffix}" for suffix, n in kinds.items())
        for name, kinds in sorted(inner.items())
    ]
