"""A folder of images: class folders, split folders, or plain files."""

from __future__ import annotations

import os
import shlex
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.text_columns import (
    CodedTexts,
    PackedTexts,
    TextColumn,
    as_texts,
    each_text,
)
from featprobe.datasets.base import Dataset, FileSource
from featprobe.datasets.class_order import ordered
from featprobe.datasets.derived import MASK
from featprobe.datasets.file_paths import FilePaths, ItemNames
from featprobe.datasets.groups import groups_as_codes, infer_groups, label_texts
from featprobe.datasets.layout import Folder, read_layout
from featprobe.datasets.listing import Found, collect, first_of
from featprobe.datasets.mask_layouts import (
    folders_of,
    masks_of_folder,
    named_folders,
    of_channel,
)
from featprobe.datasets.patient_names import scheme_of
from featprobe.datasets.read_options import ReadOptions
from featprobe.images.decoded_image import FrameRecipe

# Files that lie beside images and are none: a folder of such is no class that was lost.
TEXTS = {
    ".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".log", ".html", ".pdf", ".py",
    ".ipynb", ".ini", ".cfg", ".doc", ".docx", ".xls", ".xlsx", ".sh", ".db", ".out", ".parquet",
}  # fmt: skip


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
        found.paths = ItemNames(tuple(f"{beside[0]}/{n}" for n in item) for item in found.paths)
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


def _one_channel(found: Found, recipe: FrameRecipe) -> None:
    """Keep one channel of nnU-Net's images, the first or that of the recipe."""
    kept = of_channel(found.paths, recipe.channel or 0)
    if len(kept) < len(found.paths):
        found.skip(
            "further channel of a case (--channel chooses one)", len(found.paths) - len(kept)
        )
        found.keep(kept)


def load_single(path: Path, name: str, recipe: FrameRecipe, memory: Path | None = None) -> Dataset:
    """Read one image, volume or DICOM file as a data set of one item without a label."""
    return Dataset(
        name=name, ids=np.array([path.name]), source=FileSource([(path,)], memory), recipe=recipe
    )


def _ids(root: Path, items: ItemNames) -> PackedTexts:
    """Relative paths; a series is named by its folder when it has that folder to itself."""
    if items.single:
        return items.names
    in_folder = Counter(item[0].rpartition("/")[0] for item in items)

    def name(item: tuple[str, ...]) -> str:
        folder = item[0].rpartition("/")[0]
        alone = in_folder[folder] == 1 and all(n.rpartition("/")[0] == folder for n in item)
        return (folder or root.name) if alone and len(item) > 1 else first_of(item)

    return PackedTexts(map(name, items))


def _folders(found: Found, ids: PackedTexts) -> tuple[list[Folder], np.ndarray]:
    """The folders that items lie in, and the number of that of each (N,)."""
    number: dict[str, int] = {}
    folders: list[Folder] = []
    codes = array("i")
    for item, id_, patient in zip(found.paths, ids, found.patients or repeat("")):
        above = item[0].rpartition("/")[0]
        code = number.setdefault(above, len(folders))
        if code == len(folders):
            folders.append(Folder(tuple(above.split("/")) if above else (), id_))
        folders[code].items += 1
        folders[code].patients.add(patient)
        codes.append(code)
    return folders, np.array(codes, np.int32)


def _dataset(
    root: Path, name: str, found: Found, recipe: FrameRecipe, reading: ReadOptions,
    memory: Path | None,
) -> Dataset:  # fmt: skip
    ids = _ids(root, found.paths)
    folders, at = _folders(found, ids)
    layout = read_layout(root, folders, reading)
    out_of = np.array([layout.left_out.get(k, "") for k in range(len(folders))])
    for why in dict.fromkeys(layout.left_out.values()):
        rows = np.flatnonzero((out_of == why)[at])
        some = ", ".join(ids.pick(rows[:3])) + (", ..." if len(rows) > 3 else "")
        found.skip(f"{why} ({some})", len(rows))
    if layout.left_out:
        rows = np.flatnonzero((out_of == "")[at])
        found.keep(rows.tolist())
        ids, at = PackedTexts(ids.pick(rows)), at[rows]
    inside = [k for k in range(len(folders)) if k not in layout.left_out]
    data = Dataset(
        name=name, ids=as_texts(ids), recipe=recipe, skipped=found.skipped,
        source=FileSource(FilePaths(found.paths, str(root)), memory),
        notes=[*layout.notes, *found.notes],
    )  # fmt: skip
    data.warn("series", found.warnings)
    if any(layout.split):
        data.split = np.array(layout.split)[at]
        data.split_origin = "folders of the data set"
    if layout.labels:
        data.classes = ordered(layout.labels[k] for k in inside if layout.labels[k])
        code = {c: i for i, c in enumerate(data.classes)}
        data.targets = np.array([code.get(c, -1) for c in layout.labels], dtype=np.int64)[at]
        data.task, data.label_origin = "multiclass", layout.origin
        data.warn("files", _vanished(root, found.others, layout.depth, data.classes))
    else:
        data.notes.extend(_unread_tables(found.others))
    patients = CodedTexts(at, layout.patients, distinct=False) if layout.patients else None
    _set_groups(data, found.patients, patients, reading.group)
    return data


def _set_groups(
    data: Dataset, headers: Sequence[str], folders: TextColumn | None, group: str
) -> None:
    """Patients by the headers, else by folders that are patients, else by names."""
    anonymous = headers.count("")
    if group == "auto" and anonymous < len(headers):
        known = (f"id {p}" if p else f"none {i}" for i, p in enumerate(headers))
        data.groups, data.group_origin = groups_as_codes(known), "PatientID of the DICOM headers"
        if anonymous:
            data.group_origin += f" ({anonymous} items have none: each its own group)"
    elif group == "auto" and folders is not None and scheme_of(data.ids) is None:
        names = CodedTexts.of(f or i for f, i in zip(folders, each_text(data.ids)))
        data.groups, data.group_origin = as_texts(names), "folders of patients"
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
