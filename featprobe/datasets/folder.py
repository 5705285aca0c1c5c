"""A folder of images: class folders, split folders, or plain files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from featprobe.datasets.base import Dataset, FileSource, groups_as_codes
from featprobe.datasets.derived import sort_out
from featprobe.datasets.groups import infer_groups, stem_of
from featprobe.errors import InputError
from featprobe.images import dicom, files
from featprobe.images.picture import FrameRecipe

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
IMAGES_OF_MASKS = {("images", "labels"), ("images", "masks"), ("imagesTr", "labelsTr")}


@dataclass
class _Found:
    """Items of a folder before they become a Dataset; ``notes`` and ``doubts`` of what DICOM files
    were made into."""

    paths: list[tuple[Path, ...]] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def skip(self, kind: str, n: int = 1) -> None:
        if n:
            self.skipped[kind] = self.skipped.get(kind, 0) + n


def walk(root: Path) -> Iterator[Path]:
    """Files below a folder, sorted, hidden ones left out; a symlink loop is entered once.

    Raises :class:`InputError` for a folder that cannot be listed.
    """
    seen = set()

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: the folder cannot be listed: {error.strerror}")

    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(d for d in folders if not d.startswith((".", "__MACOSX")))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)


def load_folder(
    root: Path,
    name: str,
    recipe: FrameRecipe,
    group: str = "auto",
    memory: Path | None = None,
    derived: str = "skip",
) -> Dataset:
    """Read a folder as a data set.

    Layouts, told apart by what is there: ``split/class/files`` where all top folders are named
    train, val, test; ``class/files``; ``images/`` beside ``labels/`` (the images are items without
    class, their masks the files of the same name there); files alone (no labels). A DICOM series
    that forms a volume is one item. ``derived``: see :func:`collect`.
    """
    if not root.is_dir():
        raise InputError(f"{root}: not a folder")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    names = {p.name for p in folders}
    for images, masks in IMAGES_OF_MASKS:
        if {images, masks} <= names:
            found = collect(root / images, derived)
            data = _dataset(root, name, found, recipe, group, memory, None)
            data.masks = _masks(root / images, root / masks, found.paths)
            return data
    top_files = any(files.kind_of(p) for p in sorted(root.iterdir()) if p.is_file())
    if top_files or not folders:
        return _dataset(root, name, collect(root, derived), recipe, group, memory, None)
    splits = {p.name: SPLIT_FOLDERS.get(p.name.lower()) for p in folders}
    depth = 1 if all(splits.values()) else 0
    return _dataset(root, name, collect(root, derived), recipe, group, memory, depth)


def _masks(
    images: Path, masks: Path, items: Sequence[tuple[Path, ...]]
) -> tuple[tuple[Path, ...], ...]:
    """The mask of each item: same relative path, any suffix, nnU-Net's ``_0000`` dropped."""

    def key(path: Path, folder: Path) -> str:
        inner = path.relative_to(folder)
        return (inner.parent / stem_of(inner.as_posix())).as_posix()

    there = {key(p, masks): p for p in walk(masks) if files.kind_of(p)}
    keys = [key(ps[0], images) for ps in items]
    found = (there.get(k) or there.get(k.removesuffix("_0000")) for k in keys)
    return tuple((p,) if p else () for p in found)


def load_single(path: Path, name: str, recipe: FrameRecipe, memory: Path | None = None) -> Dataset:
    """One image, volume or DICOM file as a data set of one item without a label."""
    return Dataset(
        name=name, ids=np.array([path.name]), source=FileSource([(path,)], memory), recipe=recipe
    )


def collect(root: Path, derived: str = "skip") -> _Found:
    """All items below a folder, DICOM files gathered into series.

    ``derived``: what becomes of files made from images (masks, thumbnails, DICOM segmentations,
    doses, captures of reports): ``skip`` counts them, ``keep`` makes them items.
    """
    found, slices = _Found(), []
    kinds = {path: files.kind_of(path) for path in walk(root)}
    made = {} if derived == "keep" else sort_out(root, [p for p, kind in kinds.items() if kind])
    for path, kind in kinds.items():
        if path in made:
            found.skip(made[path])
        elif kind == "dicom":
            slices.append(path)
        elif kind is None:
            found.skip("not an image")
        else:
            found.paths.append((path,))
            found.patients.append("")
    scanned = dicom.scan(slices, derived == "keep")
    found.notes, found.doubts = scanned.notes, scanned.doubts
    found.skip("DICOM slice at a place that another of its series has", len(scanned.surplus))
    for what, several in scanned.derived.items():
        found.skip(what, len(several))
    found.skip("DICOM object without pixels", len(scanned.skipped))
    found.skip("second copy of a DICOM slice", len(scanned.duplicates))
    for series in scanned.series:
        found.paths.append(tuple(h.path for h in series))
        found.patients.append(series[0].patient)
    for path, _ in scanned.unreadable:  # an item all the same: extraction names it with its reason
        found.paths.append((path,))
        found.patients.append("")
    order = sorted(range(len(found.paths)), key=lambda i: str(min(found.paths[i])))
    found.paths = [found.paths[i] for i in order]
    found.patients = [found.patients[i] for i in order]
    if not found.paths:
        other = f" ({found.skipped['not an image']} other files)" if found.skipped else ""
        raise InputError(f"{root}: no image files in this folder{other}")
    return found


def _ids(root: Path, paths: list[tuple[Path, ...]]) -> list[str]:
    """Relative paths; a series is named by its folder when it has that folder to itself."""
    in_folder: dict[Path, int] = {}
    for ps in paths:
        in_folder[ps[0].parent] = in_folder.get(ps[0].parent, 0) + 1
    out = []
    for ps in paths:
        folder = ps[0].parent
        alone = len(ps) > 1 and in_folder[folder] == 1 and all(p.parent == folder for p in ps)
        path = folder if alone else min(ps) if len(ps) > 1 else ps[0]
        out.append(root.name if path == root else path.relative_to(root).as_posix())
    return out


def _dataset(
    root: Path, name: str, found: _Found, recipe: FrameRecipe, group: str,
    memory: Path | None, class_depth: int | None,
) -> Dataset:  # fmt: skip
    ids = _ids(root, found.paths)
    anonymous = found.patients.count("")
    if group == "auto" and anonymous < len(ids):
        known = [f"id {p}" if p else f"none {i}" for i, p in enumerate(found.patients)]
        groups, origin = groups_as_codes(known), "PatientID of the DICOM headers"
        if anonymous:
            origin += f" ({anonymous} items have none: each its own group)"
    else:
        groups, origin = infer_groups(ids, group)
    data = Dataset(
        name=name, ids=np.array(ids), source=FileSource(found.paths, memory), groups=groups,
        group_origin=origin, recipe=recipe, skipped=found.skipped, notes=list(found.notes),
    )  # fmt: skip
    data.doubt("series", found.doubts)
    if class_depth is None:
        return data
    parts = [ps[0].relative_to(root).parts for ps in found.paths]
    shallow = [i for i, p in zip(ids, parts) if len(p) < class_depth + 2]
    if shallow:
        raise InputError(f"{root}: {shallow[0]!r} lies outside the class folders")
    if class_depth == 1:
        data.split = np.array([SPLIT_FOLDERS[p[0].lower()] for p in parts])
        data.split_origin = "folders of the data set"
    labels = [p[class_depth] for p in parts]
    data.classes = tuple(sorted(set(labels)))
    code = {c: i for i, c in enumerate(data.classes)}
    data.targets = np.array([code[c] for c in labels], dtype=np.int64)
    data.task = "multiclass"
    return data
