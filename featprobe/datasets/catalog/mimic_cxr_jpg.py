"""MIMIC-CXR-JPG 2.0.0 / 2.1.0: 377,110 chest films with CheXpert labels.

Layout as on PhysioNet (https://physionet.org/content/mimic-cxr-jpg/); the tables may stay
gzipped. Labels belong to studies, films inherit those of their study; a study without a row in
the label table is unknown throughout. ``view=frontal`` keeps the view positions PA and AP,
``lateral`` keeps LATERAL and LL. Options ``labels``, ``uncertain`` and ``unmentioned`` as for
chexpert. Files
are not looked for one by one: a patient whose folder is absent is left out, a film missing from a
folder is reported by extraction.
"""

import os
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.observations import OPTIONS, observed
from featprobe.datasets.official import assemble, encode, find, numbers, read_table
from featprobe.images.decoded_image import FrameRecipe

OBSERVATIONS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum",
    "Fracture", "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other",
    "Pneumonia", "Pneumothorax", "Support Devices",
)  # fmt: skip
VIEWS = {"frontal": ("PA", "AP"), "lateral": ("LATERAL", "LL")}
KEYS = ["subject_id", "study_id"]


def _build(
    root: Path, recipe: FrameRecipe, memory: Path, labels: str, uncertain: str, unmentioned: str,
    view: str,
) -> Dataset:  # fmt: skip
    split_file = find(root, "mimic-cxr-2.*-split.csv*")
    label_file = find(root, "mimic-cxr-2.*-chexpert.csv*")
    table = read_table(split_file, ("dicom_id", *KEYS, "split"))
    if view != "all":
        path = find(root, "mimic-cxr-2.*-metadata.csv*")
        positions = read_table(path, ("dicom_id", "ViewPosition"))
        wanted = positions["dicom_id"][positions["ViewPosition"].isin(VIEWS[view])]
        table = table[table["dicom_id"].isin(wanted)].reset_index(drop=True)
    found = read_table(label_file, (*KEYS, *OBSERVATIONS))
    if found.duplicated(KEYS).any():
        raise InputError(f"{label_file}: a study has more than one row")
    rows = found.set_index(KEYS).index.get_indexer(table.set_index(KEYS).index)
    cells = numbers(found, OBSERVATIONS, label_file)
    values, classes = observed(cells, OBSERVATIONS, labels, uncertain, unmentioned)
    patient = "p" + table["subject_id"]
    inner = patient.str[:3] + "/" + patient + "/s" + table["study_id"] + "/" + table["dicom_id"]
    shards = [d for d in sorted(find(root, "files").iterdir()) if d.is_dir()]
    here = {name for shard in shards for name in os.listdir(shard)}
    files = root / "files"
    paths = [files / f"{t}.jpg" if p in here else None for t, p in zip(inner, patient)]
    split = encode(table["split"], ("train", "validate", "test"), split_file)
    return assemble(
        "mimic_cxr_jpg", root, inner, paths, recipe, memory, listed_in=split_file.name,
        targets=np.where((rows >= 0)[:, None], values[rows], np.nan), task="multilabel",
        classes=classes, groups=np.asarray(patient, dtype=np.str_),
        split=np.array(["train", "val", "test", ""])[split],
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="mimic_cxr_jpg",
    title="MIMIC-CXR-JPG",
    modality="frontal and lateral chest radiographs, JPEG",
    task="multilabel",
    classes=OBSERVATIONS,
    build=_build,
    items=377_110,
    split_items={"train": 368_960, "val": 2_991, "test": 5_159},
    group="column subject_id",
    split="mimic-cxr-2.0.0-split.csv (train, validate, test)",
    options={
        **OPTIONS,
        "view": ("all", *VIEWS),
    },
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    citation="Johnson et al., MIMIC-CXR-JPG, 2019, arXiv 1901.07042",
    home="https://physionet.org/content/mimic-cxr-jpg/",
    layout="""\
mimic-cxr-2.0.0-split.csv.gz
mimic-cxr-2.0.0-chexpert.csv.gz
mimic-cxr-2.0.0-metadata.csv.gz (for the option view)
files/p10/p10000032/s50414267/<dicom_id>.jpg""",
)
