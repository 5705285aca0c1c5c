"""LiTS 2017: 131 abdominal CT volumes with liver and tumour masks.

Layout as unpacked from Training_Batch1.zip and Training_Batch2.zip
(https://competitions.codalab.org /competitions/17094): ``volume-N.nii`` beside
``segmentation-N.nii``, in any folders.
"""

import re
from pathlib import Path

from featprobe.core.errors import MissingPath
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.masks import Masks
from featprobe.datasets.official import assemble, index_files
from featprobe.images import nifti
from featprobe.images.decoded_image import FrameRecipe

TISSUES = ("background", "liver", "tumor")


def _build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
    found = index_files(root, nifti.SUFFIXES, key=lambda p: p.name.split(".nii")[0])
    numbers = sorted(int(m[1]) for k in found if (m := re.fullmatch(r"volume-(\d+)", k)))
    if not numbers:
        raise MissingPath(f"{root}: no volume-0.nii, volume-1.nii, ... there")
    masks = [found.get(f"segmentation-{n}") for n in numbers]
    return assemble(
        "lits17", root, (f"volume-{n}" for n in numbers), [found[f"volume-{n}"] for n in numbers],
        recipe, memory, masks=Masks.of(masks, TISSUES, origin="segmentation-N beside volume-N"),
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="lits17",
    title="LiTS 2017, liver and liver tumours",
    modality="CT volumes, NIfTI",
    task="segmentation",
    classes=TISSUES,
    build=_build,
    items=131,
    group="one volume a patient",
    licence="CC-BY-NC-ND 4.0",
    citation="Bilic et al., The Liver Tumor Segmentation Benchmark, MedIA 84, 2023",
    home="https://competitions.codalab.org/competitions/17094",
    layout="""\
volume-0.nii ... volume-130.nii
segmentation-0.nii ... segmentation-130.nii
(in the folders of the two training batches, whatever their names)""",
)
