"""ISIC 2019 challenge: 25,331 dermoscopic images of eight diagnoses.

Layout as unpacked from the training downloads of https://challenge.isic-archive.com/data/#2019.
Images of one lesion are one group; an image without a lesion id is its own. ``split=wacv``: rows
shuffled by Python's generator under seed 42, 0.2 held out and halved into val and test, as
Huix et al. (WACV 2024) do, who divide lesions.
"""

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, find, index_files, lookup, one_hot, read_table
from featprobe.datasets.study_splits import shuffled
from featprobe.images.decoded_image import FrameRecipe

CODES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
CLASSES = (
    "melanoma", "melanocytic nevus", "basal cell carcinoma", "actinic keratosis",
    "benign keratosis", "dermatofibroma", "vascular lesion", "squamous cell carcinoma",
)  # fmt: skip


def _build(root: Path, recipe: FrameRecipe, memory: Path, split: str) -> Dataset:
    path = find(root, "ISIC_2019_Training_GroundTruth.csv", "*/ISIC_2019_Training_GroundTruth.csv")
    meta = find(root, "ISIC_2019_Training_Metadata.csv", "*/ISIC_2019_Training_Metadata.csv")
    table = read_table(path, ("image", *CODES))
    lesion = read_table(meta, ("image", "lesion_id")).set_index("image")["lesion_id"]
    lacking = table["image"][~table["image"].isin(lesion.index)]
    if len(lacking):
        raise InputError(f"{meta}: no row for {lacking.iloc[0]!r}, so its lesion is not known")
    lesions = np.asarray(lesion.reindex(table["image"]), dtype=np.str_)
    names = np.asarray(table["image"], dtype=np.str_)
    images = index_files(find(root, "ISIC_2019_Training_Input"))
    return assemble(
        "isic2019", root, names, lookup(images, names), recipe, memory, listed_in=path.name,
        on_disk=len(images), targets=one_hot(table, CODES, path), task="multiclass",
        classes=CLASSES, groups=np.where(lesions == "", names, lesions),
        split=shuffled(len(table), 0.2) if split == "wacv" else None,
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="isic2019",
    title="ISIC 2019 challenge, training set",
    modality="dermoscopic photographs, JPEG",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    items=25_331,
    group="column lesion_id",
    split="none, or with the option split that of a study",
    options={"split": ("none", "wacv")},
    licence="CC-BY-NC 4.0",
    citation="Tschandl et al., 2018; Codella et al., 2017; Hernandez-Perez et al., 2024",
    home="https://challenge.isic-archive.com/data/#2019",
    layout="""\
ISIC_2019_Training_GroundTruth.csv
ISIC_2019_Training_Metadata.csv
ISIC_2019_Training_Input/ISIC_0000000.jpg""",
)
