"""SARS-CoV-2 CT by patient: CT slices of 210 patients, COVID-19, other disease or healthy.

Layout as in Kaggle's plameneduardo/a-covid-multiclass-dataset-of-ct-scans, folder New_Data_CoV2;
each patient is a folder of PNG slices. An item is a patient, its slices in the order of their
names; ``item=slice`` makes every slice an item, grouped by patient. ``classes=binary`` (default) is
COVID-19 against the rest, as in arXiv 2312.02366; ``three`` keeps healthy and others apart.
``split=rad``: of the 80 + 50 + 80 patients in the order of names, every third is test and 50 of the
others, evenly spaced, val: 90 / 50 / 70 (there the order within a class is that of the file
system). The older flat sarscov2-ctscan-dataset has no patients: open it as a folder.
"""

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, find
from featprobe.datasets.stacks import StackSource, natural
from featprobe.datasets.study_splits import rad
from featprobe.datasets.tree import walk
from featprobe.images import raster
from featprobe.images.decoded_image import FrameRecipe

NAMES = {"binary": ("non-COVID", "COVID"), "three": ("Healthy", "Others", "COVID")}


def _build(
    root: Path, recipe: FrameRecipe, memory: Path, item: str, classes: str, split: str
) -> Dataset:
    base = find(root, "Covid", "New_Data_CoV2/Covid", "COVID", "New_Data_CoV2/COVID").parent
    stacks: dict[str, list[Path]] = {}
    for label in ("[Cc][Oo][Vv][Ii][Dd]", "Healthy", "Others"):
        for path in walk(find(base, label)):
            if path.name.lower().endswith(raster.SUFFIXES):
                parts = path.relative_to(base).parts
                if len(parts) < 3:
                    raise InputError(f"{path} lies outside the patients' folders")
                stacks.setdefault("/".join(parts[:2]), []).append(path)
    for slices in stacks.values():
        slices.sort(key=natural)
    kind = {k: "COVID" if k.lower().startswith("covid") else k.split("/")[0] for k in stacks}
    names = NAMES[classes]
    code = {k: names.index(v if v in names else "non-COVID") for k, v in kind.items()}
    paths: list[Path | tuple[Path, ...] | None]
    if item == "patient":
        ids, groups, paths = [*stacks], [*stacks], [tuple(s) for s in stacks.values()]
    else:
        ids = [p.relative_to(base).as_posix() for s in stacks.values() for p in s]
        groups, paths = [k for k, s in stacks.items() for _ in s], [base / i for i in ids]
    order = sorted(stacks, key=lambda k: (kind[k] != "COVID", natural(Path(k.split("/")[1]))))
    order.sort(key=lambda k: ("COVID", "Healthy", "Others").index(kind[k]))
    part = dict(zip(order, rad(len(order), 70, 50, 210))) if split == "rad" else {}
    return assemble(
        "sars_cov_2_ct", base, ids, paths, recipe, memory, listed_in="the folders",
        targets=np.array([code[g] for g in groups]), task="multiclass", classes=names,
        groups=np.array(groups), split=np.array([part.get(g, "") for g in groups]),
        make_source=lambda files: StackSource(files, memory),
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="sars_cov_2_ct",
    title="SARS-CoV-2 CT by patient",
    modality="CT slices as PNG, several a patient",
    task="multiclass",
    classes=NAMES["binary"],
    build=_build,
    items=210,
    group="patient folder",
    split="none, or with the option split that of a study",
    options={
        "item": ("patient", "slice"),
        "classes": tuple(NAMES),
        "split": ("none", "rad"),
    },
    licence="CC-BY-NC-SA 4.0",
    citation="Soares et al., medRxiv 2020.04.24.20078584",
    home="https://www.kaggle.com/datasets/plameneduardo/a-covid-multiclass-dataset-of-ct-scans",
    layout="""\
Covid/Patient (1)/1.png
Healthy/Patient (1)/1.png
Others/Patient (1)/1.png
(all of it may lie in New_Data_CoV2/)""",
)
