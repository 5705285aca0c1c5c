"""Glioma grading on BraTS 2018 / 2019 training data: high against low grade, four MR modalities.

Layout as unpacked from MICCAI_BraTS_2019_Data_Training.zip (CBICA, Perelman School of Medicine):
a folder a patient below ``HGG`` and ``LGG``. One modality is shown, chosen by the option
``modality``, or several by the recipe's ``modalities``; the masks are the tumour segmentations
(their label 3 is not used, 4 is enhancing).
"""

from pathlib import Path

import numpy as np

from featprobe.core.errors import UnknownName, nearest
from featprobe.datasets.base import Dataset, FileSource
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.masks import Masks
from featprobe.datasets.official import assemble, find
from featprobe.datasets.studies import StudySource
from featprobe.images.decoded_image import FrameRecipe

CLASSES = ("LGG", "HGG")
MODALITIES = ("t1ce", "t1", "t2", "flair")
TISSUES = ("background", "necrosis", "edema", "enhancing tumor")
VALUES = {"background": (0,), "necrosis": (1,), "edema": (2,), "enhancing tumor": (4,)}


def _volume(folder: Path, kind: str) -> Path | None:
    names = (f"{folder.name}_{kind}.nii.gz", f"{folder.name}_{kind}.nii")
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _build(root: Path, recipe: FrameRecipe, memory: Path, modality: str) -> Dataset:
    base = find(root, "HGG", "*/HGG").parent
    patients = [
        (grade, folder)
        for grade, name in enumerate(CLASSES)
        for folder in sorted(find(base, name).iterdir())
        if folder.is_dir()
    ]
    shown = recipe.modalities or (modality,)
    for m in shown:
        if m not in MODALITIES:
            raise UnknownName(f"{base}: no modality {m!r}.{nearest(m, MODALITIES)}")
    volumes = [tuple(_volume(folder, m) for m in shown) for _, folder in patients]
    segmented = [_volume(folder, "seg") for _, folder in patients]
    return assemble(
        "glioma_grading", base, (f.relative_to(base).as_posix() for _, f in patients),
        [None if None in v else tuple(p for p in v if p) for v in volumes], recipe, memory,
        make_source=lambda found: StudySource(found, memory, [(1,) * len(shown)] * len(found))
        if recipe.modalities
        else FileSource(found, memory),
        listed_in="the patients' folders", task="multiclass", classes=CLASSES,
        targets=np.array([grade for grade, _ in patients]),
        masks=Masks.of(segmented, TISSUES, given=VALUES, origin="segmentations of the challenge"),
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="glioma_grading",
    title="Glioma grading (BraTS 2018 / 2019 training data)",
    modality="MR volumes, NIfTI, 240 x 240 x 155 at 1 mm; T1, T1 with contrast, T2, FLAIR",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    group="patient folder",
    options={"modality": MODALITIES},
    licence="BraTS data use agreement",
    citation="Menze et al., BRATS, IEEE TMI 34(10), 2015; Bakas et al., Scientific Data 4, 2017",
    home="https://www.med.upenn.edu/cbica/brats2019/data.html",
    layout="""\
HGG/BraTS19_CBICA_AAB_1/BraTS19_CBICA_AAB_1_t1ce.nii.gz, _t1, _t2, _flair, _seg
LGG/...
(all of it may lie in MICCAI_BraTS_2019_Data_Training/)""",
)
