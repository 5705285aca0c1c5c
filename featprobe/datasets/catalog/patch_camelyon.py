"""PatchCamelyon: 327,680 histology patches of 96 x 96, tumour in the centre or none.

Layout as unpacked (gunzip) from https://github.com/basveeling/pcam: for train, valid and test an
``_x.h5``, a ``_y.h5`` and a ``_meta.csv`` whose column ``wsi`` names the slide.
"""

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.hdf5 import H5Source, open_arrays
from featprobe.datasets.official import find, read_table
from featprobe.images.decoded_image import FrameRecipe

CLASSES = ("normal", "tumor")
STEM = "camelyonpatch_level_2_split_"
PARTS = {"train": "train", "valid": "val", "test": "test"}


def _build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
    present = [p for p in PARTS if list(root.glob(f"{STEM}{p}_x.h5"))]
    if not present:
        find(root, f"{STEM}train_x.h5")
    paths, arrays, targets, slides = [], [], [], []
    for part in present:
        paths.append(find(root, f"{STEM}{part}_x.h5"))
        arrays.append(open_arrays(paths[-1])["x"])
        label_file = find(root, f"{STEM}{part}_y.h5")
        targets.append(np.asarray(open_arrays(label_file)["y"]).reshape(-1).astype(np.int64))
        slides.append(read_table(find(root, f"{STEM}{part}_meta.csv"), ["wsi"])["wsi"].to_numpy())
        sizes = {len(arrays[-1]), len(targets[-1]), len(slides[-1])}
        if len(sizes) > 1:
            raise InputError(
                f"{root}: {part} has {len(arrays[-1])} patches, {len(targets[-1])} labels and "
                f"{len(slides[-1])} rows of meta.csv"
            )
    counts = [len(a) for a in arrays]
    data = Dataset(
        name="patch_camelyon",
        ids=np.array([f"{p}/{i:06d}" for p, n in zip(present, counts) for i in range(n)]),
        source=H5Source(arrays, paths, memory),
        targets=np.concatenate(targets),
        task="multiclass",
        classes=CLASSES,
        groups=np.concatenate(slides),
        split=np.repeat([PARTS[p] for p in present], counts),
        recipe=recipe,
    )
    if len(present) < len(PARTS):
        data.notes.append(f"only {', '.join(present)} of {', '.join(PARTS)} is there")
    return data


ENTRY = DatasetEntry(
    name="patch_camelyon",
    title="PatchCamelyon (PCam)",
    modality="H&E histology patches, HDF5, 96 x 96 RGB",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    items=327_680,
    split_items={"train": 262_144, "val": 32_768, "test": 32_768},
    group="whole-slide image, column wsi of meta.csv",
    split="the three files of the release",
    licence="CC0",
    citation="Veeling et al., Rotation equivariant CNNs for digital pathology, arXiv 1806.03962",
    home="https://github.com/basveeling/pcam",
    layout="""\
camelyonpatch_level_2_split_train_x.h5, _train_y.h5, _train_meta.csv
camelyonpatch_level_2_split_valid_x.h5, _valid_y.h5, _valid_meta.csv
camelyonpatch_level_2_split_test_x.h5, _test_y.h5, _test_meta.csv
(gunzip the .h5.gz files)""",
)
