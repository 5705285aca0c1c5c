"""Montgomery County chest X-ray set: 138 films, 58 with tuberculosis, with lung masks.

Layout as in NLM-MontgomeryCXRSet.zip (its README): the last digit of a file name is the label, 0
normal and 1 abnormal with manifestations of tuberculosis; one film a patient. ``split=rad``: every
third film in the order of names is test, every fourth of the others val: 69 / 23 / 46 (Baharoon et
al., arXiv 2312.02366, where the order is that of the file system).
"""

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.masks import MaskFile, Masks
from featprobe.datasets.official import assemble, final_digit, find, index_files
from featprobe.datasets.study_splits import rad
from featprobe.images.decoded_image import FrameRecipe

CLASSES = ("normal", "tuberculosis")


def _build(root: Path, recipe: FrameRecipe, memory: Path, split: str) -> Dataset:
    images = index_files(find(root, "CXR_png", "*/CXR_png"), (".png",))
    if not images:
        raise InputError(f"{root}: CXR_png holds no PNG files")
    names = sorted(images)
    folder = images[names[0]].parent.parent / "ManualMask"
    lungs = [index_files(folder / d, (".png",)) for d in ("leftMask", "rightMask")]
    return assemble(
        "montgomery", root, names, [images[n] for n in names], recipe, memory,
        targets=np.array([final_digit(images[n]) for n in names]), task="multiclass",
        classes=CLASSES, masks=_lungs(names, *lungs),
        split=rad(len(names), 46, 23, 138, step=True) if split == "rad" else None,
    )  # fmt: skip


def _lungs(names: list[str], left: dict[str, Path], right: dict[str, Path]) -> Masks | None:
    """Left and right lung as two classes (the patient's sides, as the folders have them)."""
    files = tuple(
        tuple(MaskFile(lung[n], k) for k, lung in enumerate((left, right), 1) if n in lung)
        for n in names
    )
    if not any(files):
        return None
    return Masks(files, ("background", "left lung", "right lung"), origin="ManualMask/")


ENTRY = DatasetEntry(
    name="montgomery",
    title="Montgomery County chest X-ray set",
    modality="frontal chest radiographs, PNG, 12 bit in 4020 x 4892 or 4892 x 4020",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    items=138,
    group="one film a patient",
    split="none, or with the option split that of a study",
    options={"split": ("none", "rad")},
    licence="public; attribution to the U.S. National Library of Medicine asked for",
    citation="Jaeger et al., Two public chest X-ray datasets, QIMS 4(6), 2014",
    home="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/",
    layout="""\
CXR_png/MCUCXR_0001_0.png
ManualMask/leftMask/MCUCXR_0001_0.png (lung masks; may be absent)
ManualMask/rightMask/MCUCXR_0001_0.png
(all of it may lie in MontgomerySet/)""",
)
