"""CheXpert: 224,316 chest films of 65,240 patients, 14 labelled observations.

Layout as unpacked from CheXpert-v1.0.zip or CheXpert-v1.0-small.zip (Irvin et al., arXiv
1901.07031). In the tables 1 is present, 0 absent, -1 uncertain, blank unmentioned; option
``uncertain`` says what -1 becomes, ``unmentioned`` what a blank becomes, ``labels`` which there are
(:mod:`featprobe.datasets.observations`). ``view`` keeps frontal or lateral films only. ``split``:
``wacv`` divides train.csv as Huix et al. (WACV 2024) do, ``rad`` tests on the official test set,
which is a download of its own (Baharoon et al., arXiv 2312.02366). Files are not looked for one by
one: a patient whose folder is absent is left out, a film missing from a folder is reported by
extraction.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError, MissingPath
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.observations import OPTIONS, observed
from featprobe.datasets.official import assemble, find, numbers, read_table
from featprobe.datasets.study_splits import sorted_paths
from featprobe.images.decoded_image import FrameRecipe

if TYPE_CHECKING:
    import pandas

OBSERVATIONS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
TEST = ("test_labels.csv", "groundtruth.csv", "test.csv")


TABLES = {"train": ("train.csv",), "val": ("valid.csv",), "test": TEST}


def _build(
    root: Path, recipe: FrameRecipe, memory: Path, labels: str, uncertain: str, unmentioned: str,
    view: str, split: str,
) -> Dataset:  # fmt: skip
    import pandas

    base = find(root, "train.csv", "CheXpert-v1.0*/train.csv").parent
    parts = {"wacv": ("train",), "rad": ("train", "val", "test")}.get(split, ("train", "val"))
    table = pandas.concat([_table(base, part) for part in parts], ignore_index=True)
    if split == "wacv":
        table["split"] = sorted_paths(table["Path"])
    if view != "all":
        table = table[table["view"] == view.capitalize()].reset_index(drop=True)
    inner = table["Path"].str.extract(r"((train|valid|test)/(patient\d+)/.+)$")
    if inner[0].isna().any():
        odd = table["Path"][inner[0].isna()].iloc[0]
        raise InputError(f"{base}: path {odd!r} is not .../train/patient00001/study1/...")
    folders = ("train", "valid", "test")
    here = {f: set(os.listdir(base / f)) for f in folders if (base / f).is_dir()}
    paths = [base / t if p in here.get(f, ()) else None for t, f, p in inner.to_numpy()]
    values = numbers(table, OBSERVATIONS, base)
    targets, classes = observed(values, OBSERVATIONS, labels, uncertain, unmentioned)
    listed = " and ".join(TABLES[part][0] for part in parts)
    return assemble(
        "chexpert", base, inner[0], paths, recipe, memory, listed_in=listed, task="multilabel",
        targets=targets, classes=classes, groups=np.asarray(inner[2], dtype=np.str_),
        split=np.asarray(table["split"]),
    )  # fmt: skip


def _table(base: Path, part: str) -> pandas.DataFrame:
    """The rows of a part with its name and the view, which the tables of the test set lack."""
    told = part == "test"
    try:
        path = find(base, *TABLES[part])
    except MissingPath as error:
        if not told:
            raise
        raise MissingPath(
            f"{error}: this split is tested on the official test set, which is a download of its "
            "own (CheXlocalize, Stanford AIMI): test_labels.csv and test/"
        ) from error
    table = read_table(path, ("Path", *(() if told else ("Frontal/Lateral",)), *OBSERVATIONS))
    lateral = table["Path"].str.contains("lateral", regex=False)
    seen = np.where(lateral, "Lateral", "Frontal") if told else table["Frontal/Lateral"]
    return table[["Path", *OBSERVATIONS]].assign(split=part, view=seen)


ENTRY = DatasetEntry(
    name="chexpert",
    title="CheXpert 1.0",
    modality="frontal and lateral chest radiographs, JPEG",
    task="multilabel",
    classes=OBSERVATIONS,
    build=_build,
    split_items={"train": 223_414, "val": 234},
    group="patient folder of the path",
    split="train.csv (train) and valid.csv (val), or that of a study",
    options={
        **OPTIONS,
        "view": ("all", "frontal", "lateral"),
        "split": ("official", "wacv", "rad"),
    },
    licence="Stanford University Dataset Research Use Agreement",
    citation="Irvin et al., CheXpert, AAAI 2019, arXiv 1901.07031",
    home="https://stanfordmlgroup.github.io/competitions/chexpert/",
    layout="""\
train.csv
valid.csv
train/patient00001/study1/view1_frontal.jpg
valid/patient64541/study1/view1_frontal.jpg
test_labels.csv, test/patient64741/study1/view1_frontal.jpg (for the option split=rad)
(all of it may lie in CheXpert-v1.0/ or CheXpert-v1.0-small/)""",
)
