"""Kermany et al.'s pediatric chest films: 5,856 films, normal or pneumonia.

Layout as unpacked from ChestXRay2017.zip (Mendeley Data, rscbjbr9sj), or Kaggle's
chest-xray-pneumonia, which moved 16 films into ``val``. The official split is the folders.
Patients are read from the names: ``person12_bacteria_46.jpeg`` is person12, ``IM-0115-0001.jpeg``
is IM-0115. Where a person number occurs in several folders it is taken for one patient, which errs
on the safe side: the numbering may begin anew in each.
"""

from pathlib import Path

import numpy as np

from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.groups import infer_groups
from featprobe.datasets.official import assemble, encode, find
from featprobe.datasets.parts import NAMES as SPLIT_NAMES
from featprobe.datasets.tree import walk
from featprobe.images.decoded_image import FrameRecipe

CLASSES = ("NORMAL", "PNEUMONIA")
PATIENT = r"/(?P<patient>person\d+|(?:NORMAL2-)?IM-\d+)[_-][^/]*$"


def _build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
    import pandas

    base = find(root, "train", "chest_xray/train", "chest_xray/chest_xray/train").parent
    folders = [f for f in ("train", "val", "test") if (base / f).is_dir()]
    paths: list[Path | tuple[Path, ...] | None] = []
    for folder in folders:
        for label in CLASSES:
            paths += (p for p in walk(find(base / folder, label)) if p.suffix.lower() == ".jpeg")
    ids = [p.relative_to(base).as_posix() for p in paths if isinstance(p, Path)]
    parts = pandas.Series(ids, dtype=str).str.split("/", expand=True)
    return assemble(
        "kermany_cxr", base, ids, paths, recipe, memory, listed_in="the folders",
        targets=encode(parts[1], CLASSES, base), task="multiclass", classes=CLASSES,
        groups=infer_groups(ids, f"regex:{PATIENT}")[0],
        split=np.array([SPLIT_NAMES[p] for p in parts[0]]),
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="kermany_cxr",
    title="Pediatric chest X-rays, normal or pneumonia (Kermany et al.)",
    modality="frontal chest radiographs, JPEG",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    items=5_856,
    split_items={"test": 624},
    group="person or IM number of the file name",
    split="folders train, val (16 films, Kaggle only) and test",
    licence="CC-BY 4.0",
    citation="Kermany et al., Cell 172(5), 2018, doi 10.1016/j.cell.2018.02.010",
    home="https://data.mendeley.com/datasets/rscbjbr9sj",
    layout="""\
train/NORMAL/IM-0115-0001.jpeg
train/PNEUMONIA/person1_bacteria_1.jpeg
val/... (may be absent)
test/NORMAL/..., test/PNEUMONIA/...
(all of it may lie in chest_xray/)""",
)
