"""iChallenge-AMD (ADAM): 400 fundus photographs, 89 with age-related macular degeneration.

Layout as unpacked from the training archive of https://amd.grand-challenge.org: the folder is the
label. No patient ids are shipped.
"""

from pathlib import Path

import numpy as np

from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, find, index_files
from featprobe.images.decoded_image import FrameRecipe

CLASSES = ("Non-AMD", "AMD")


def _build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
    base = find(root, "AMD", "*/AMD", "*/*/AMD").parent
    found = [sorted(index_files(find(base, label)).values()) for label in CLASSES]
    paths = [p for images in found for p in images]
    ids = (p.relative_to(base).as_posix() for p in paths)
    return assemble(
        "ichallenge_amd", base, ids, paths, recipe, memory, listed_in="the folders",
        targets=np.repeat([0, 1], [len(f) for f in found]), task="multiclass", classes=CLASSES,
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="ichallenge_amd",
    title="iChallenge-AMD (ADAM), training set",
    modality="colour fundus photographs, JPEG",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    items=400,
    licence="challenge terms of use",
    citation="Fang et al., ADAM challenge, IEEE TMI 41(10), 2022, arXiv 2202.07983",
    home="https://amd.grand-challenge.org/",
    layout="""\
AMD/A0001.jpg
Non-AMD/N0001.jpg
(both may lie in Training400/)""",
)
