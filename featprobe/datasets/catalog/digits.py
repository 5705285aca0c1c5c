"""scikit-learn's digits: 1797 real scans of hand-written digits, 8 x 8."""

from pathlib import Path

import numpy as np

from featprobe.datasets.base import ArraySource, Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.images.decoded_image import FrameRecipe


def _build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return Dataset(
        name="digits",
        ids=np.array([f"{i:04d}" for i in range(len(pixels))]),
        source=ArraySource([pixels]),
        targets=digits.target,
        task="multiclass",
        classes=tuple(str(c) for c in digits.target_names),
        group_origin="none known: each item is its own group (the set ships no writer ids)",
        recipe=recipe,
    )


ENTRY = DatasetEntry(
    name="digits",
    title="Optical recognition of handwritten digits (scikit-learn's copy)",
    modality="scanned digits, 8 x 8 grey",
    task="multiclass",
    classes=tuple("0123456789"),
    items=1797,
    licence="CC-BY 4.0",
    citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998",
    home="https://doi.org/10.24432/C50P49",
    layout="nothing to download: the images are in scikit-learn",
    build=_build,
    generate=lambda folder: None,
)
