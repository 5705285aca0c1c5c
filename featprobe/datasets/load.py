"""From what a user types to a Dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from featprobe import settings
from featprobe.datasets.base import Dataset
from featprobe.datasets.effects import without_effect
from featprobe.datasets.folder import load_folder, load_single
from featprobe.datasets.groups import infer_groups
from featprobe.datasets.hdf5 import load_h5
from featprobe.datasets.manifest import load_manifest
from featprobe.datasets.medmnist import load_npz
from featprobe.datasets.parquet import holds_images, load_parquet
from featprobe.datasets.split_file import apply_split
from featprobe.datasets.studies import StudySource
from featprobe.datasets.tables import table_files
from featprobe.errors import InputError, MissingPath, UnknownName, nearest
from featprobe.fingerprint import digest
from featprobe.images import files
from featprobe.images.picture import FrameRecipe
from featprobe.registry import Registry

# Data sets of one family share a module; their names stand here so that listing imports none.
FAMILIES = {
    "medmnist": (
        "pathmnist", "chestmnist", "dermamnist", "octmnist", "pneumoniamnist", "retinamnist",
        "breastmnist", "bloodmnist", "tissuemnist", "organamnist", "organcmnist", "organsmnist",
        "organmnist3d", "nodulemnist3d", "adrenalmnist3d", "fracturemnist3d", "vesselmnist3d",
        "synapsemnist3d",
    ),
    "msd": (
        "msd_brain_tumour", "msd_heart", "msd_liver", "msd_hippocampus", "msd_prostate",
        "msd_lung", "msd_pancreas", "msd_hepatic_vessel", "msd_spleen", "msd_colon",
    ),
}  # fmt: skip
CATALOG = Registry(
    "dataset",
    "featprobe.datasets.catalog",
    "ENTRY",
    {name: module for module, names in FAMILIES.items() for name in names},
)
_GENERIC = {"images", "imagestr", "data", "train", "dicom", "img", "imgs"}


def load_dataset(
    path_or_name: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    name: str | None = None,
    label: str | Sequence[str] = (),
    group: str = "auto",
    task: str | None = None,
    split: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Dataset:
    """Open a data set by catalog name or path.

    A path is a folder (class folders, split folders, plain files, DICOM series), a CSV / TSV /
    Parquet manifest, Parquet files with images, a MedMNIST npz, an HDF5 file of arrays, or a
    single image, volume or DICOM file. No pixels are decoded here.

    ``root``: folder of a catalog data set or of a manifest's paths. ``label``, ``group``, ``task``:
    see :func:`~featprobe.datasets.manifest.load_manifest` and
    :func:`~featprobe.datasets.groups.infer_groups`. ``split``: a file of
    :func:`~featprobe.datasets.split_file.write_split` to use as the official split. ``cache``:
    where generated data sets and content digests are kept. ``options``: fields of the
    :class:`~featprobe.images.picture.FrameRecipe` (``plane="coronal"``, ``intensity="minmax"``),
    and those that a catalog data set declares (``uncertain="zeros"``, ``size="224"``).

    Raises :class:`~featprobe.errors.UnknownName`, :class:`~featprobe.errors.MissingPath` or
    :class:`~featprobe.errors.InputError`, each naming the file.
    """
    label = [label] if isinstance(label, str) else label
    rules = {f.name: options.pop(f.name) for f in fields(FrameRecipe) if f.name in options}
    recipe = FrameRecipe(**rules)
    data = _load(os.fspath(path_or_name), root, name, label, group, task, cache, recipe, options)
    if recipe.modalities and not isinstance(data.source, StudySource):
        raise InputError(
            f"{data.name}: modalities are columns of a manifest, or those of a catalog data set "
            "that has several; this has none"
        )
    if split is not None:
        apply_split(data, Path(split).expanduser())
    data.notes.extend(without_effect(data))
    tables = Path(path_or_name).suffix.lower() in (".csv", ".tsv", ".txt", ".parquet")
    if root is not None and not tables and os.fspath(path_or_name) not in CATALOG:
        data.notes.append(f"root {root} has no effect: it is for the paths of a table")
    return data


def _load(
    text: str, root: str | os.PathLike[str] | None, name: str | None, label: Sequence[str],
    group: str, task: str | None, cache: str | os.PathLike[str] | None, recipe: FrameRecipe,
    options: dict[str, Any],
) -> Dataset:  # fmt: skip
    store = settings.cache_root(cache)
    if not text:
        raise InputError("the data set is an empty text; give a name or a path")
    if name is not None and not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"name {name!r}: letters, digits, '.', '_' and '-' make a name")
    if text in CATALOG:
        base = Path(root).expanduser() if root else None
        data = CATALOG.get(text).load(base, store, recipe, options)
        data.name = name or data.name
        return _regroup(group, _reject(label, task, data))
    path = Path(text).expanduser()
    if not path.exists():
        if re.fullmatch(r"[\w.-]+", text) and not Path(text).suffix:
            known = CATALOG.names()
            raise UnknownName(
                f"unknown data set {text!r}: no such folder and no such catalog name."
                f"{nearest(text, known)} See 'featprobe data'."
            )
        raise MissingPath(f"{path}: no such file or folder")
    if options:
        raise InputError(
            f"unknown option {next(iter(options))!r}: options of a catalog data set mean nothing "
            f"for {text!r}"
        )
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: no permission to read")
    memory = store / "digests" / f"{digest(str(path.resolve()))[:16]}.json"
    name = name or dataset_name(path)
    suffix = path.suffix.lower()
    if table_files(path) and (path.is_dir() or holds_images(path)):
        return load_parquet(path, name, recipe, label, group, task, memory)
    if path.is_dir():
        return _reject(label, task, load_folder(path, name, recipe, group, memory))
    if suffix in (".csv", ".tsv", ".txt", ".parquet"):
        return load_manifest(
            path, name, recipe, Path(root) if root else None, label, group, task, memory
        )
    if suffix in (".h5", ".hdf5") and recipe.key is None:  # with a key it is a single image
        return _regroup(group, _reject(label, task, load_h5(path, name, recipe, memory)))
    if suffix == ".npz" and recipe.key is None:
        return _regroup(group, _reject(label, task, load_npz(path, name, recipe)))
    if files.kind_of(path):
        return _reject(label, task, load_single(path, name, recipe, memory))
    raise InputError(
        f"{path}: not a data set; give a folder, a CSV or Parquet table, an npz or HDF5 file, or "
        "an image"
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


def _regroup(group: str, data: Dataset) -> Dataset:
    """Other groups than the data set's own, by a rule on its ids, where one is asked for."""
    if group != "auto":
        data.groups, data.group_origin = infer_groups(data.ids.tolist(), group)
    return data


def _reject(label: Sequence[str], task: str | None, data: Dataset) -> Dataset:
    if label or task:
        raise InputError("--label and --task choose columns of a manifest; this is none")
    return data
