"""IDRiD, part B: 516 fundus photographs graded for diabetic retinopathy and macular edema.

Layout as unpacked from ``B. Disease Grading.zip`` (Porwal et al., Data 3(3), 2018). File names
begin anew in the test set, so ids carry the split. Option ``target``: ``retinopathy`` (grades 0 to
4) or ``edema`` (risk 0 to 2).
"""

from pathlib import Path

import numpy as np

from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, find, grades, index_files, lookup, read_table
from featprobe.images.decoded_image import FrameRecipe

GRADES = ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")
TARGETS = {
    "retinopathy": ("Retinopathy grade", GRADES),
    "edema": ("Risk of macular edema", ("no risk", "low risk", "high risk")),
}
PARTS = {
    "train": ("a. Training Set", "a. IDRiD_Disease Grading_Training Labels.csv"),
    "test": ("b. Testing Set", "b. IDRiD_Disease Grading_Testing Labels.csv"),
}


def _build(root: Path, recipe: FrameRecipe, memory: Path, target: str) -> Dataset:
    base = find(root, "2. Groundtruths", "B. Disease Grading/2. Groundtruths").parent
    column, classes = TARGETS[target]
    ids: list[str] = []
    paths: list[Path | tuple[Path, ...] | None] = []
    targets, split = [], []
    for part, (folder, file) in PARTS.items():
        path = find(base, f"2. Groundtruths/{file}")
        table = read_table(path, ("Image name", column))
        table = table[table["Image name"] != ""]
        images = index_files(find(base, f"1. Original Images/{folder}"))
        ids += (part + "/" + table["Image name"].str.strip()).tolist()
        paths += lookup(images, table["Image name"].str.strip())
        targets.append(grades(table, column, len(classes), path))
        split += [part] * len(table)
    return assemble(
        "idrid", base, ids, paths, recipe, memory, listed_in="the two label files",
        targets=np.concatenate(targets), task="ordinal", classes=classes, split=np.array(split),
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="idrid",
    title="IDRiD, disease grading",
    modality="colour fundus photographs, JPEG, 4288 x 2848",
    task="ordinal",
    classes=GRADES,
    build=_build,
    items=516,
    split_items={"train": 413, "test": 103},
    split="training and testing set folders",
    options={"target": tuple(TARGETS)},
    licence="CC-BY 4.0",
    citation="Porwal et al., Indian Diabetic Retinopathy Image Dataset, Data 3(3), 2018",
    home="https://ieee-dataport.org/open-access/indian-diabetic-retinopathy-image-dataset-idrid",
    layout="""\
1. Original Images/a. Training Set/IDRiD_001.jpg
1. Original Images/b. Testing Set/IDRiD_001.jpg
2. Groundtruths/a. IDRiD_Disease Grading_Training Labels.csv
2. Groundtruths/b. IDRiD_Disease Grading_Testing Labels.csv
(all of it may lie in B. Disease Grading/)""",
)
