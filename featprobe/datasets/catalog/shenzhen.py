"""Shenzhen Hospital chest X-ray set: 662 films, 336 with tuberculosis, lung masks for 566.

Layout as in ChinaSet_AllFiles.zip (its README): the last digit of a file name is the label. The
lung masks of Stirenko et al. (arXiv 1803.01199) are a download of their own, put into ``mask/``.
``split=rad``: of the films with a mask, in the order of names, every fifth is test, and every fifth
of the others val (Baharoon et al., arXiv 2312.02366, where the order is that of the file system).
"""

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.masks import Masks
from featprobe.datasets.official import assemble, final_digit, find, index_files
from featprobe.datasets.study_splits import rad
from featprobe.images.decoded_image import FrameRecipe

CLASSES = ("normal", "tuberculosis")


def _build(root: Path, recipe: FrameRecipe, memory: Path, split: str) -> Dataset:
    images = index_files(find(root, "CXR_png", "*/CXR_png"), (".png",))
    if not images:
        raise InputError(f"{root}: CXR_png holds no PNG files")
    names = sorted(images)
    masks = index_files(root / "mask", (".png",), key=lambda p: p.stem.removesuffix("_mask"))
    return assemble(
        "shenzhen", root, names, [images[n] for n in names], recipe, memory,
        targets=np.array([final_digit(images[n]) for n in names]), task="multiclass",
        classes=CLASSES, masks=_lungs([masks.get(n) for n in names]),
        split=_rad([n in masks for n in names]) if split == "rad" else None,
    )  # fmt: skip


def _rad(masked: list[bool]) -> np.ndarray:
    """Of the films with a mask 361 / 91 / 114; the others are in no part."""
    out = np.full(len(masked), "", dtype="<U5")
    out[masked] = rad(sum(masked), 114, 91, 566, step=True)
    return out


def _lungs(masks: list[Path | None]) -> Masks | None:
    return Masks.of(masks, ("background", "lung"), origin="mask/") if any(masks) else None


ENTRY = DatasetEntry(
    name="shenzhen",
    title="Shenzhen Hospital chest X-ray set",
    modality="frontal chest radiographs, PNG, about 3000 x 3000",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    items=662,
    group="one film a patient",
    split="none, or with the option split that of a study",
    options={"split": ("none", "rad")},
    licence="public; attribution to the U.S. National Library of Medicine asked for",
    citation="Jaeger et al., Two public chest X-ray datasets, QIMS 4(6), 2014",
    home="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/",
    layout="""\
CXR_png/CHNCXR_0001_0.png
mask/CHNCXR_0001_0_mask.png (lung masks; may be absent)
(CXR_png may lie in ChinaSet_AllFiles/)""",
)
