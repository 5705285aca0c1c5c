"""From what a user types to a Dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from featprobe import settings
from featprobe.datasets.base import Dataset
from featprobe.datasets.folder import load_folder, load_single
from featprobe.datasets.manifest import load_manifest
from featprobe.datasets.medmnist import load_npz
from featprobe.datasets.split_file import apply_split
from featprobe.errors import InputError, MissingPath, UnknownName, nearest
from featprobe.fingerprint import digest
from featprobe.images import files
from featprobe.images.picture import FrameRecipe
from featprobe.registry import Registry

CATALOG = Registry("dataset", "featprobe.datasets.catalog", "ENTRY")
_GENERIC = {"images", "imagestr", "data", "train", "dicom", "img", "imgs"}


def load_dataset(
    path_or_name: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    name: str | None = None,
    label: Sequence[str] = (),
    group: str = "auto",
    task: str | None = None,
    split: str | os.PathLike[str] | None = None,
    plane: str = "auto",
    intensity: str = "auto",
    cache: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Open a data set by catalog name or path.

    A path is a folder (class folders, split folders, plain files, DICOM series), a CSV / TSV
    manifest, a MedMNIST npz, or a single image, volume or DICOM file. No pixels are decoded here.

    ``root``: folder of a catalog data set or of a manifest's paths. ``label``, ``group``, ``task``:
    see :func:`~featprobe.datasets.manifest.load_manifest` and
    :func:`~featprobe.datasets.groups.infer_groups`. ``plane``, ``intensity``: the
    :class:`~featprobe.images.picture.FrameRecipe`. ``split``: a file of
    :func:`~featprobe.datasets.split_file.write_split` to use as the official split.
    ``cache``: where generated data sets and content digests are kept.

    Raises :class:`~featprobe.errors.UnknownName`, :class:`~featprobe.errors.MissingPath` or
    :class:`~featprobe.errors.InputError`, each naming the file.
    """
    data = _load(path_or_name, root, name, label, group, task, plane, intensity, cache)
    if split is not None:
        apply_split(data, Path(split).expanduser())
    return data


def _load(
    path_or_name: str | os.PathLike[str], root: str | os.PathLike[str] | None, name: str | None,
    label: Sequence[str], group: str, task: str | None, plane: str, intensity: str,
    cache: str | os.PathLike[str] | None,
) -> Dataset:  # fmt: skip
    text = os.fspath(path_or_name)
    store = settings.cache_root(cache)
    recipe = FrameRecipe(plane=plane, intensity=intensity)
    if text in CATALOG:
        data = CATALOG.get(text).load(Path(root) if root else None, store, recipe)
        data.name = name or data.name
        return data
    path = Path(text).expanduser()
    if not path.exists():
        if re.fullmatch(r"[\w.-]+", text) and not Path(text).suffix:
            known = CATALOG.names()
            raise UnknownName(
                f"unknown data set {text!r}: no such folder and no such catalog name."
                f"{nearest(text, known)} See 'featprobe data'."
            )
        raise MissingPath(f"{path}: no such file or folder")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: no permission to read")
    memory = store / "digests" / f"{digest(str(path.resolve()))[:16]}.json"
    name = name or dataset_name(path)
    if path.is_dir():
        return _reject(label, task, load_folder(path, name, recipe, group, memory))
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".txt"):
        return load_manifest(
            path, name, recipe, Path(root) if root else None, label, group, task, memory
        )
    if suffix == ".npz":
        return _reject(label, task, load_npz(path, name, recipe))
    if files.kind_of(path):
        return _reject(label, task, load_single(path, name, recipe, memory))
    raise InputError(
        f"{path}: not a data set; give a folder, a CSV manifest, a MedMNIST npz or an image file"
    )


def dataset_name(path: Path) -> str:
    """The name a path is cached under: its last part, with the parent's where that says little."""
    path = path.resolve()
    stem = path.name
    for suffix in (".nii.gz", path.suffix):
        if path.is_file() and suffix and stem.endswith(suffix):
            stem = stem.removesuffix(suffix)
            break
    if stem.lower() in _GENERIC and path.parent.name:
        stem = f"{path.parent.name}-{stem}"
    return re.sub(r"[^\w.-]+", "_", stem) or "data"


def _reject(label: Sequence[str], task: str | None, data: Dataset) -> Dataset:
    if label or task:
        raise InputError("--label and --task choose columns of a CSV manifest; this is none")
    return data
