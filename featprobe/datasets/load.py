"""Data sets by catalog name or path."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from featprobe.core import paths as settings
from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest
from featprobe.core.fingerprint import digest
from featprobe.core.options import checked, taking_its_kinds
from featprobe.core.paths import expanded, path_text
from featprobe.core.registry import Registry
from featprobe.datasets.base import Dataset
from featprobe.datasets.chosen_labels import choose_labels
from featprobe.datasets.folder import load_folder, load_single
from featprobe.datasets.groups import infer_groups
from featprobe.datasets.hdf5 import load_h5
from featprobe.datasets.label_checks import check_labels
from featprobe.datasets.manifest import load_manifest
from featprobe.datasets.mask_layouts import with_masks_file
from featprobe.datasets.medmnist import load_npz
from featprobe.datasets.parquet import holds_images, load_parquet
from featprobe.datasets.read_files import tables_in
from featprobe.datasets.read_options import ReadOptions, read_map
from featprobe.datasets.split_file import apply_split
from featprobe.datasets.studies import StudySource
from featprobe.datasets.tables import table_files
from featprobe.datasets.unused_options import unused_options
from featprobe.images import device_jpeg, files
from featprobe.images.decoded_image import FrameRecipe

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
# What people call them otherwise; written small, with _ for -.
_ALSO = {
    "nih_chestxray14": (
        "chestxray", "chestxray14", "chestx_ray14", "chest_xray14", "cxr14", "nih", "nih_cxr",
        "nih_cxr14", "nih_chestxray",
    ),
    "kermany_cxr": ("kermany", "pneumonia_cxr", "chest_xray_pneumonia"),
    "mimic_cxr_jpg": ("mimic", "mimic_cxr"),
    "aptos2019": ("aptos",),
    "isic2019": ("isic",),
    "patch_camelyon": ("pcam", "patchcamelyon", "camelyon"),
    "messidor2": ("messidor", "messidor_2"),
    "lits17": ("lits",),
    "cbis_ddsm": ("cbis", "ddsm"),
    "brain_tumor_figshare": ("figshare", "brain_tumor"),
    "ichallenge_amd": ("amd",),
    "ham10000": ("skin_cancer_mnist",),
}  # fmt: skip
ALIASES = {alias: name for name, aliases in _ALSO.items() for alias in aliases}
CATALOG = Registry(
    "dataset",
    "featprobe.datasets.catalog",
    "ENTRY",
    {name: module for module, names in FAMILIES.items() for name in names},
    aliases=ALIASES,
)
FOLDER_LABELS = ((), ("none",), ("folder",), ("parent",))
TABLES = (".csv", ".tsv", ".txt", ".tab", ".parquet")
DERIVED = ("skip", "keep")
_GENERIC = {"images", "imagestr", "data", "train", "dicom", "img", "imgs"}


@taking_its_kinds
def load_dataset(
    path_or_name: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    name: str | None = None,
    label: str | Sequence[str] = (),
    group: str = "auto",
    task: str | None = None,
    split: str | os.PathLike[str] | None = None,
    separator: str | None = None,
    uncertain: str | None = None,
    missing: str | Sequence[str] = (),
    path: str | None = None,
    split_column: str | None = None,
    split_map: Mapping[str, str] | Sequence[str] = (),
    bare: bool = False,
    masks: str | Sequence[str] = (),
    mask_classes: Sequence[str] = (),
    labels: str | Sequence[str] = (),
    label_map: Mapping[str, str] | Sequence[str] = (),
    cache: str | os.PathLike[str] | None = None,
    derived: str = "skip",
    **options: Any,
) -> Dataset:
    """Open a data set by catalog name or path.

    A path is a folder (class folders, split folders, plain files, DICOM series), a CSV / TSV /
    Parquet manifest, Parquet files with images, a MedMNIST npz, an HDF5 file of arrays, or a
    single image, volume or DICOM file. No pixels are decoded here.

    ``root``: folder of a catalog data set or of a manifest's paths. ``label``, ``group``, ``task``,
    ``separator``, ``uncertain``, ``missing``, ``path``, ``split_column``, ``split_map``, ``bare``,
    ``masks``, ``mask_classes``: how labels, patients, split and masks are read, see
    :class:`~featprobe.datasets.read_options.ReadOptions`; what is likely and not certain is an
    error that names them, and one without effect is an error too. ``split``: a file of
    :func:`~featprobe.datasets.split_file.write_split` to use as the official split, or the name of
    a study's split that a catalog data set declares. ``labels``: names of classes to keep, or of a
    label set that a catalog data set declares; ``label_map``: class -> the class it is merged to.
    ``cache``: where generated data sets and content digests are kept. ``derived``: ``skip`` leaves
    masks, thumbnails and DICOM objects made from images out of a folder, ``keep`` reads them.
    ``options``: fields of the :class:`~featprobe.images.decoded_image.FrameRecipe`
    (``plane="coronal"``, ``intensity="minmax"``), and those that a catalog data set declares
    (``uncertain="zeros"``, ``size="224"``).

    Raises :class:`~featprobe.core.errors.UnknownName`, :class:`~featprobe.core.errors.MissingPath`
    or :class:`~featprobe.core.errors.InputError`, each naming the file.
    """
    text = path_text(path_or_name)
    entry = entry_named(text)
    given = {
        "name": name, "label": label, "group": group, "task": task, "separator": separator,
        "uncertain": uncertain, "missing": missing, "path": path, "split_column": split_column,
        "split_map": split_map, "bare": bare, "masks": masks, "mask_classes": mask_classes,
        "derived": derived, "labels": labels, "label_map": label_map,
    }  # fmt: skip
    if entry and CATALOG.get(entry).named_split(split):
        options["split"], split = split, None
    reading, recipe, options = understood(text, entry, given | options)
    data = _load(entry or text, root, name, reading, cache, recipe, options, derived)
    if recipe.modalities and not isinstance(data.source, StudySource):
        raise InputError(
            f"{data.name}: modalities are columns of a manifest, or those of a catalog data set "
            "that has several; this has none"
        )
    if not entry and expanded(text).is_file():
        data.tables = tables_in(expanded(text))
    if split is not None:
        named = CATALOG.get(entry).study_splits if entry else ()
        if named and not expanded(split).exists():
            raise UnknownName(
                f"{entry}: --split {split} is neither a file nor a study's split."
                f"{nearest(str(split), named)} There: {', '.join(named)}"
            )
        data.tables += (expanded(split),)
        apply_split(data, expanded(split))
    if not bare:
        data.notes.extend(choose_labels(data, reading.labels, reading.label_map))
    data.notes.extend(unused_options(data))
    if root is not None and not entry and Path(text).suffix.lower() not in TABLES:
        data.notes.append(f"root {root} has no effect: it is for the paths of a table")
    if not bare and not entry:
        check_labels(data, group)
    return data


def understood(
    text: str, entry: str, given: Mapping[str, Any]
) -> tuple[ReadOptions, FrameRecipe, dict[str, Any]]:
    """Resolve the options of :func:`load_dataset`, before anything is opened.

    ``entry``: the name in the catalog, empty where ``text`` is a path. Last of the three are the
    options of the entry. Raises :class:`InputError` or :class:`UnknownName` for a value that no
    data set takes, or the entry does not.
    """
    options = dict(given)
    name, derived = options.pop("name", None), options.pop("derived", "skip")
    if name is not None and not re.fullmatch(
        r"\w[\w.-]*", checked("name", name, str, "a data set")
    ):
        raise InputError(f"name {name!r}: letters, digits, '.', '_' and '-' make a name")
    if derived not in DERIVED:
        raise InputError(f"derived {derived!r}: use one of {', '.join(DERIVED)}")
    for option, example in (("split_map", "dev=val"), ("label_map", "mild=referable")):
        if option in options:
            options[option] = read_map(option, options[option], example)
    own = CATALOG.get(entry).take_own(options) if entry else {}
    rules = {f.name: options.pop(f.name) for f in fields(FrameRecipe) if f.name in options}
    reading = ReadOptions(
        **{f.name: options.pop(f.name) for f in fields(ReadOptions) if f.name in options}
    )
    options |= own
    if entry:
        reading.only(f"{entry!r} of the catalog", "group", "uncertain")
        CATALOG.get(entry).choose(options)
    elif options:
        raise InputError(
            f"unknown option {next(iter(options))!r}: options of a catalog data set mean nothing "
            f"for {text!r}"
        )
    recipe = FrameRecipe(**rules)
    if recipe.decode == "device":
        device_jpeg.needed()
    return reading, recipe, options


def _load(
    text: str, root: str | os.PathLike[str] | None, name: str | None, reading: ReadOptions,
    cache: str | os.PathLike[str] | None, recipe: FrameRecipe, options: dict[str, Any],
    derived: str,
) -> Dataset:  # fmt: skip
    store = settings.cache_root(cache)
    if not text:
        raise InputError("the data set is an empty text; give a name or a path")
    if text in CATALOG:
        base = expanded(root) if root else None
        data = CATALOG.get(text).load(base, store, recipe, options, _ALSO.get(text, ()))
        data.name = name or data.name
        return _regroup(reading.group, data)
    path = expanded(text)
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
    memory = store / "digests" / f"{digest(str(path.resolve()))[:16]}.index"
    name = name or dataset_name(path)
    suffix = path.suffix.lower()
    if table_files(path) and (path.is_dir() or holds_images(path)):
        reading.only(
            "a table with images", "label", "group", "task", "missing", "separator", "uncertain"
        )
        return load_parquet(path, name, recipe, reading, memory)
    if path.is_dir():
        if reading.label not in FOLDER_LABELS:
            raise InputError(
                f"{path}: --label of a folder is none, folder or parent, not "
                f"{' '.join(reading.label)}; columns are those of a manifest"
            )
        reading.only(
            "a folder", "label", "group", "split_column", "split_map", "masks", "mask_classes"
        )
        if reading.split_column not in (None, "none"):
            raise InputError(f"{path}: --split-column of a folder can only be none")
        return load_folder(path, name, recipe, reading, memory, derived)
    if suffix in TABLES:
        return load_manifest(path, name, recipe, Path(root) if root else None, reading, memory)
    reading.only(f"{path.name}: a file of arrays or images", "group", "masks", "mask_classes")
    if suffix in (".h5", ".hdf5") and recipe.key is None:  # with a key it is a single image
        return _regroup(reading.group, load_h5(path, name, recipe, memory))
    if suffix == ".npz" and recipe.key is None:
        return _regroup(reading.group, load_npz(path, name, recipe))
    if files.kind_of(path):
        return with_masks_file(load_single(path, name, recipe, memory), reading)
    raise InputError(
        f"{path}: not a data set; give a folder, a CSV or Parquet table, an npz or HDF5 file, or "
        "an image"
    )


def entry_named(text: str, folder: str | os.PathLike[str] = "") -> str:
    """Name of the catalog entry that a text means, empty where it is none.

    A file or folder of the user's own (relative to ``folder``) comes before a common name of an
    entry, not before the entry's very name.
    """
    if text in CATALOG:
        return text
    name = "" if not text or Path(folder, text).exists() else CATALOG.named(text)
    return name if name in CATALOG else ""


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
        data.groups, data.group_origin = infer_groups(data.ids, group)
    return data
