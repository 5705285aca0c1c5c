"""Messidor-2: 1,748 fundus photographs of 874 examinations, both eyes of each patient.

Images and the list of pairs as from ADCIS (https://www.adcis.net/en/third-party/messidor2/), which
publishes no grades; the adjudicated grades are Kaggle's google-brain/messidor2-dr-grades (Krause
et al., Ophthalmology 2018). Four photographs are ungradable: their grade is unknown.
"""

from pathlib import Path, PurePosixPath

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, find, grades, index_files, lookup, read_table
from featprobe.images.decoded_image import FrameRecipe

GRADES = ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")


def _stem(name: str) -> str:
    """The tables and the files disagree on the suffix and its case."""
    return PurePosixPath(name.strip()).stem.lower()


def _build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
    pairs = find(root, "messidor-2.csv")
    path = find(root, "messidor_data.csv")
    table = read_table(path, ("image_id", "adjudicated_dr_grade"))
    examinations = read_table(pairs, ("left", "right"), sep=";")
    stems = table["image_id"].map(_stem)
    examination = {
        _stem(name): _stem(left)
        for left, right in zip(examinations["left"], examinations["right"])
        for name in (left, right)
    }
    alone = stems[~stems.isin(examination)]
    if len(alone):
        raise InputError(f"{pairs}: no pair has {alone.iloc[0]!r}, so its patient is not known")
    images = index_files(find(root, "IMAGES", "images"), key=lambda p: p.stem.lower())
    return assemble(
        "messidor2", root, stems, lookup(images, stems), recipe, memory, listed_in=path.name,
        on_disk=len(images), task="ordinal", classes=GRADES, groups=stems.map(examination),
        targets=grades(table, "adjudicated_dr_grade", 5, path),
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="messidor2",
    title="Messidor-2 with adjudicated grades",
    modality="colour fundus photographs, PNG and JPEG",
    task="ordinal",
    classes=GRADES,
    build=_build,
    items=1_748,
    group="examination (pair of eyes) of messidor-2.csv",
    licence="ADCIS terms of use, research only; grades CC-BY 4.0",
    citation="Decenciere et al., Messidor, Image Anal Stereol 33(3), 2014; Abramoff et al., 2013",
    home="https://www.adcis.net/en/third-party/messidor2/",
    layout="""\
messidor-2.csv (left;right, comes with the images)
messidor_data.csv (Kaggle google-brain/messidor2-dr-grades)
IMAGES/20051020_43808_0100_PP.png""",
)
