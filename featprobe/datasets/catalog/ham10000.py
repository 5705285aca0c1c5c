"""HAM10000: 10,015 dermoscopic images of 7,470 lesions, seven diagnoses.

Layout as on Harvard Dataverse (doi 10.7910/DVN/DBW86T) and Kaggle: the metadata table, and the
images in ``HAM10000_images_part_1`` and ``_part_2``, or anywhere where there are no such folders.
Images of one lesion are one group.
"""

from pathlib import Path

from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.official import assemble, encode, find, index_files, lookup, read_table
from featprobe.images.decoded_image import FrameRecipe

CODES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
CLASSES = (
    "actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma",
    "benign keratosis-like lesions", "dermatofibroma", "melanoma", "melanocytic nevi",
    "vascular lesions",
)  # fmt: skip


def _build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
    path = find(root, "HAM10000_metadata.csv", "HAM10000_metadata.tab", "HAM10000_metadata")
    columns = ("lesion_id", "image_id", "dx")
    with path.open(encoding="utf-8-sig") as f:  # Dataverse's .tab may hold tabs or commas
        separator = "\t" if "\t" in f.readline() else ","
    table = read_table(path, columns, sep=separator)
    folders = sorted(root.glob("HAM10000_images_part_*")) or [root]
    images = {k: p for folder in folders for k, p in index_files(folder, (".jpg",)).items()}
    return assemble(
        "ham10000", root, table["image_id"], lookup(images, table["image_id"]), recipe, memory,
        listed_in=path.name, on_disk=len(images), task="multiclass", classes=CLASSES,
        targets=encode(table["dx"], CODES, path), groups=table["lesion_id"],
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="ham10000",
    title="HAM10000",
    modality="dermoscopic photographs, JPEG, 600 x 450",
    task="multiclass",
    classes=CLASSES,
    build=_build,
    items=10_015,
    group="column lesion_id",
    licence="CC-BY-NC 4.0",
    citation="Tschandl et al., The HAM10000 dataset, Scientific Data 5:180161, 2018",
    home="https://doi.org/10.7910/DVN/DBW86T",
    layout="""\
HAM10000_metadata.csv (or .tab)
HAM10000_images_part_1/ISIC_0027419.jpg
HAM10000_images_part_2/ISIC_0029306.jpg""",
)
