"""AMOS 2022: abdominal CT and MR with 15 organs, training and validation volumes.

Layout as unpacked from amos22.zip (https://zenodo.org/records/7262581), in the Decathlon's format.
Volumes numbered up to 500 are CT, above it MR; the option ``scanner`` keeps one of them.
"""

from pathlib import Path

from featprobe.datasets.base import Dataset
from featprobe.datasets.decathlon import load_decathlon
from featprobe.datasets.entry import DatasetEntry
from featprobe.images.decoded_image import FrameRecipe

ORGANS = (
    "background", "spleen", "right kidney", "left kidney", "gall bladder", "esophagus", "liver",
    "stomach", "arota",  # as the release writes it
    "postcava", "pancreas", "right adrenal gland", "left adrenal gland",
    "duodenum", "bladder", "prostate/uterus",
)  # fmt: skip


def _wanted(scanner: str, name: str) -> bool:
    is_ct = int(name.rsplit("_", 1)[1]) <= 500
    return scanner == "all" or is_ct == (scanner == "ct")


def _build(root: Path, recipe: FrameRecipe, memory: Path, scanner: str) -> Dataset:
    parts = {"training": "train", "validation": "val"}
    return load_decathlon(
        root, "amos", recipe, memory, parts, keep=lambda name: _wanted(scanner, name)
    )


ENTRY = DatasetEntry(
    name="amos",
    title="AMOS 2022, multi-modality abdominal organs",
    modality="CT and MR volumes, NIfTI",
    task="segmentation",
    classes=ORGANS,
    build=_build,
    items=360,
    split_items={"train": 240, "val": 120},
    group="one volume a patient",
    split="training and validation lists of dataset.json",
    options={"scanner": ("all", "ct", "mr")},
    licence="CC-BY 4.0",
    citation="Ji et al., AMOS, NeurIPS 2022, arXiv 2206.08023",
    home="https://zenodo.org/records/7262581",
    layout="""\
dataset.json
imagesTr/amos_0001.nii.gz, labelsTr/amos_0001.nii.gz
imagesVa/amos_0008.nii.gz, labelsVa/amos_0008.nii.gz
(all of it may lie in amos22/)""",
)
