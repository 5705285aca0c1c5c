"""NIH ChestX-ray14: 112,120 frontal films of 30,805 patients, 14 text-mined findings.

Layout as in the release's README_CHESTXRAY.pdf: the twelve archives unpacked as
``images_001/images/*.png`` ... or all in ``images/``. ``labels=15`` has No Finding as a label, in
the order of names; ``split=rad`` makes the last 10,002 rows of ``train_val_list.txt`` val (both
Baharoon et al., arXiv 2312.02366).
"""

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import (
    assemble,
    find,
    index_files,
    lookup,
    multilabel,
    read_list,
    read_table,
)  # fmt: skip
from featprobe.datasets.study_splits import last_rows
from featprobe.images.decoded_image import FrameRecipe

FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia",
    "Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening",
    "Hernia",
)  # fmt: skip


NO_FINDING = "No Finding"
LABELS = {"14": FINDINGS, "15": tuple(sorted((*FINDINGS, NO_FINDING)))}
RAD_VAL = 10_002, 86_524  # so many last rows of train_val_list.txt, of so many


def _build(root: Path, recipe: FrameRecipe, memory: Path, labels: str, split: str) -> Dataset:
    path = find(root, "Data_Entry_2017*.csv")
    table = read_table(path, ("Image Index", "Finding Labels", "Patient ID"))
    names = table["Image Index"]
    parts = np.full(len(table), "", dtype="<U5")
    train = read_list(find(root, "train_val_list.txt"))
    parts[names.isin(train)] = "train"
    if split == "rad":
        parts[names.isin(last_rows(train, *RAD_VAL))] = "val"
    parts[names.isin(read_list(find(root, "test_list.txt")))] = "test"
    if (parts == "").any():
        first = names[parts == ""].iloc[0]
        raise InputError(f"{root}: {first} is in neither train_val_list.txt nor test_list.txt")
    images = index_files(root, (".png",), key=lambda p: p.name)
    return assemble(
        "nih_chestxray14", root, names, lookup(images, names), recipe, memory,
        listed_in=path.name, on_disk=len(images), task="multilabel", classes=LABELS[labels],
        targets=multilabel(
            table["Finding Labels"], LABELS[labels], path, none=NO_FINDING if labels == "14" else ""
        ),
        groups=table["Patient ID"], split=parts,
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="nih_chestxray14",
    title="NIH ChestX-ray14",
    modality="frontal chest radiographs, PNG, 1024 x 1024",
    task="multilabel",
    classes=FINDINGS,
    build=_build,
    items=112_120,
    split_items={"train": 86_524, "test": 25_596},
    group="column Patient ID",
    split="train_val_list.txt (train, to draw validation from) and test_list.txt",
    options={"labels": tuple(LABELS), "split": ("official", "rad")},
    licence="no restriction by the NIH Clinical Center; attribution asked for",
    citation="Wang et al., ChestX-ray8, CVPR 2017, arXiv 1705.02315",
    home="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    layout="""\
Data_Entry_2017.csv, or Data_Entry_2017_v2020.csv
train_val_list.txt
test_list.txt
images_001/images/00000001_000.png ... images_012/images/, or all in images/""",
)
