"""CheXpert: 224,316 chest films of 65,240 patients, 14 labelled observations.

Layout as unpacked from CheXpert-v1.0.zip or CheXpert-v1.0-small.zip (Irvin et al., arXiv
1901.07031). In the tables 1 is present, 0 absent, -1 uncertain, blank unmentioned; option
``uncertain`` says what -1 becomes, ``unmentioned`` what a blank becomes. ``view`` keeps frontal or
lateral films only. Files are not looked for one by one: a patient whose folder is absent is left
out, a film missing from a folder is reported by extraction.
"""

import os
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import (
    UNCERTAIN,
    UNMENTIONED,
    assemble,
    find,
    numbers,
    read_table,
    resolve,
)  # fmt: skip
from featprobe.images.decoded_image import FrameRecipe

OBSERVATIONS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip


def _build(
    root: Path, recipe: FrameRecipe, memory: Path, uncertain: str, unmentioned: str, view: str
) -> Dataset:
    import pandas

    base = find(root, "train.csv", "CheXpert-v1.0*/train.csv").parent
    parts = []
    for split, file in (("train", "train.csv"), ("val", "valid.csv")):
        part = read_table(find(base, file), ("Path", "Frontal/Lateral", *OBSERVATIONS))
        parts.append(part.assign(split=split))
    table = pandas.concat(parts, ignore_index=True)
    if view != "all":
        table = table[table["Frontal/Lateral"] == view.capitalize()].reset_index(drop=True)
    inner = table["Path"].str.extract(r"((train|valid)/(patient\d+)/.+)$")
    if inner[0].isna().any():
        odd = table["Path"][inner[0].isna()].iloc[0]
        raise InputError(f"{base}: path {odd!r} is not .../train/patient00001/study1/...")
    here = {f: set(os.listdir(base / f)) for f in ("train", "valid") if (base / f).is_dir()}
    paths = [base / t if p in here.get(f, ()) else None for t, f, p in inner.to_numpy()]
    values = numbers(table, OBSERVATIONS, base)
    return assemble(
        "chexpert", base, inner[0], paths, recipe, memory, listed_in="train.csv and valid.csv",
        targets=resolve(values, uncertain, unmentioned), task="multilabel", classes=OBSERVATIONS,
        groups=np.asarray(inner[2], dtype=np.str_), split=np.asarray(table["split"]),
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="chexpert",
    title="CheXpert 1.0",
    modality="frontal and lateral chest radiographs, JPEG",
    task="multilabel",
    classes=OBSERVATIONS,
    build=_build,
    split_items={"train": 223_414, "val": 234},
    group="patient folder of the path",
    split="train.csv (train) and valid.csv (val)",
    options={
        "uncertain": tuple(UNCERTAIN),
        "unmentioned": tuple(UNMENTIONED),
        "view": ("all", "frontal", "lateral"),
    },
    licence="Stanford University Dataset Research Use Agreement",
    citation="Irvin et al., CheXpert, AAAI 2019, arXiv 1901.07031",
    home="https://stanfordmlgroup.github.io/competitions/chexpert/",
    layout="""\
train.csv
valid.csv
train/patient00001/study1/view1_frontal.jpg
valid/patient64541/study1/view1_frontal.jpg
(all of it may lie in CheXpert-v1.0/ or CheXpert-v1.0-small/)""",
)
