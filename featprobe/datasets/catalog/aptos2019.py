"""APTOS 2019 blindness detection: 3,662 graded fundus photographs.

Layout as unpacked from Kaggle's aptos2019-blindness-detection; the grades of its test images were
never published, so ``train.csv`` is the data set. No patient ids are shipped. ``split=wacv``: rows
shuffled by Python's generator under seed 42, 0.3 held out and halved into val and test, as
Huix et al. (WACV 2024) do.
"""

from pathlib import Path

from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, find, grades, index_files, lookup, read_table
from featprobe.datasets.study_splits import shuffled
from featprobe.images.decoded_image import FrameRecipe

GRADES = ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")


def _build(root: Path, recipe: FrameRecipe, memory: Path, split: str) -> Dataset:
    path = find(root, "train.csv")
    table = read_table(path, ("id_code", "diagnosis"))
    images = index_files(find(root, "train_images"))
    return assemble(
        "aptos2019", root, table["id_code"], lookup(images, table["id_code"]), recipe, memory,
        listed_in=path.name, on_disk=len(images), task="ordinal", classes=GRADES,
        targets=grades(table, "diagnosis", 5, path),
        split=shuffled(len(table), 0.3) if split == "wacv" else None,
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="aptos2019",
    title="APTOS 2019 blindness detection",
    modality="colour fundus photographs, PNG",
    task="ordinal",
    classes=GRADES,
    build=_build,
    items=3_662,
    split="none, or with the option split that of a study",
    options={"split": ("none", "wacv")},
    licence="Kaggle competition rules",
    citation="Asia Pacific Tele-Ophthalmology Society, APTOS 2019, Kaggle, 2019",
    home="https://www.kaggle.com/competitions/aptos2019-blindness-detection",
    layout="""\
train.csv
train_images/000c1434d8d7.png""",
)
