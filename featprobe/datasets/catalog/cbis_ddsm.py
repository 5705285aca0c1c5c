"""CBIS-DDSM: curated mammograms with masses or calcifications, benign or malignant.

Layout as in Kaggle's awsaf49/cbis-ddsm-breast-cancer-image-dataset: the official case tables of
TCIA in ``csv/``, and the full mammograms as JPEG in ``jpeg/<SeriesInstanceUID>/``, where the series
is the third part of the tables' "image file path". An item is a full mammogram; one that shows
several abnormalities is malignant when any of them is. Masses and calcifications were split apart
from each other, so some patients are in the training set of one and the test set of the other: a
note says how many; ``abnormality=mass`` or ``calc`` keeps one kind.
"""

from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, encode, find, index_files, lookup, read_table
from featprobe.images.decoded_image import FrameRecipe

CLASSES = ("benign", "malignant")
PATHOLOGY = ("BENIGN", "BENIGN_WITHOUT_CALLBACK", "MALIGNANT")
COLUMNS = ("patient_id", "pathology", "image file path")


def _build(root: Path, recipe: FrameRecipe, memory: Path, abnormality: str) -> Dataset:
    import pandas

    tables = []
    for kind in ("mass", "calc") if abnormality == "both" else (abnormality,):
        for split in ("train", "test"):
            path = find(root, f"csv/{kind}_case_description_{split}_set.csv")
            part = read_table(path, COLUMNS)[list(COLUMNS)]
            tables.append(
                part.assign(split=split, y=encode(part["pathology"], PATHOLOGY, path) == 2)
            )
    table = pandas.concat(tables, ignore_index=True)
    place = table["image file path"].str.strip().str.split("/", expand=True)
    if place.shape[1] < 4:
        raise InputError(f"{root}: an image file path is not <case>/<study>/<series>/<file>")
    table = table.assign(case=place[0], series=place[2])
    films = table.groupby("series", sort=False).agg(
        {"case": "first", "patient_id": "first", "split": "first", "y": "any"}
    )
    images = index_files(find(root, "jpeg"), key=lambda p: f"{p.parent.name}/{p.stem}")
    by_series: dict[str, list[Path]] = {}
    for path in images.values():
        by_series.setdefault(path.parent.name, []).append(path)
    several = [s for s in films.index if len(by_series.get(s, ())) > 1]
    if several:
        raise InputError(f"{root}/jpeg/{several[0]}: several files, a full mammogram is one")
    single = {s: found[0] for s, found in by_series.items()}
    return assemble(
        "cbis_ddsm", root, films["case"], lookup(single, films.index), recipe, memory,
        listed_in="the case tables", targets=films["y"].to_numpy().astype(np.int64),
        task="multiclass", classes=CLASSES, groups=films["patient_id"], split=films["split"],
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="cbis_ddsm",
    title="CBIS-DDSM, full mammograms",
    modality="scanned-film mammograms, JPEG of 8 bit",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    group="column patient_id",
    split="training and test tables of the release",
    options={"abnormality": ("both", "mass", "calc")},
    licence="CC-BY 3.0",
    citation="Lee et al., CBIS-DDSM, Scientific Data 4:170177, 2017",
    home="https://www.cancerimagingarchive.net/collection/cbis-ddsm/",
    layout="""\
csv/mass_case_description_train_set.csv, csv/mass_case_description_test_set.csv
csv/calc_case_description_train_set.csv, csv/calc_case_description_test_set.csv
jpeg/1.3.6.1.4.1.9590.100.1.2.../1-249.jpg
(Kaggle awsaf49/cbis-ddsm-breast-cancer-image-dataset)""",
)
