"""MedMNIST npz files: ``{train,val,test}_{images,labels}``, 2D and 3D."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import SPLITS, ArraySource, Dataset
from featprobe.datasets.targets import add_array
from featprobe.images.decoded_image import FrameRecipe


def load_npz(path: Path, name: str, recipe: FrameRecipe, classes: Sequence[str] = ()) -> Dataset:
    """Read an npz in MedMNIST's layout with its official split.

    Images are (n, H, W), (n, H, W, 3) or (n, D, H, W); labels (n, 1) are classes, (n, C) with
    C > 1 are multi-label. ``classes``: their names, by number; the numbers where not given.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            keys = set(archive.files)
            present = [s for s in SPLITS if f"{s}_images" in keys]
            if not present:
                raise InputError(
                    f"{path}: not in MedMNIST's layout: no train_images, val_images or "
                    f"test_images among {', '.join(sorted(keys)) or 'nothing'}"
                )
            images = [archive[f"{s}_images"] for s in present]
            labels = [archive[f"{s}_labels"] for s in present if f"{s}_labels" in keys]
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable npz file: {error}") from None
    for s, array in zip(present, images):
        if array.ndim not in (3, 4):
            raise InputError(f"{path}: {s}_images has shape {array.shape}; 3 or 4 axes expected")
    data = Dataset(
        name=name,
        ids=np.array([f"{s}/{i:06d}" for s, a in zip(present, images) for i in range(len(a))]),
        source=ArraySource(images),
        split=np.repeat(present, [len(a) for a in images]),
        split_origin="official (of the npz file)",
        group_origin="none known: each item is its own group (MedMNIST ships no patient ids)",
        recipe=recipe,
    )
    if labels:
        if [len(x) for x in labels] != [len(a) for a in images]:
            raise InputError(f"{path}: images and labels differ in number")
        add_array(data, np.concatenate([x.reshape(len(x), -1) for x in labels]), path, classes)
    return data
