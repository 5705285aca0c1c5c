"""BTCV, Beyond the Cranial Vault: 30 abdominal CT volumes with 13 organs.

Layout as unpacked from Abdomen/RawData.zip of https://www.synapse.org/Synapse:syn3193805; the masks
of the 20 test volumes are not published.
"""

from pathlib import Path

from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.masks import Masks
from featprobe.datasets.official import assemble, find, index_files
from featprobe.images import nifti
from featprobe.images.decoded_image import FrameRecipe

ORGANS = (
    "background", "spleen", "right kidney", "left kidney", "gallbladder", "esophagus", "liver",
    "stomach", "aorta", "inferior vena cava", "portal and splenic veins", "pancreas",
    "right adrenal gland", "left adrenal gland",
)  # fmt: skip


def _number(path: Path) -> str:
    """``0001`` of img0001.nii.gz and label0001.nii.gz."""
    return path.name.split(".nii")[0].removeprefix("img").removeprefix("label")


def _build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
    base = find(root, "Training/img", "RawData/Training/img", "Abdomen/RawData/Training/img").parent
    images = index_files(base / "img", nifti.SUFFIXES, _number)
    masks = index_files(find(base, "label"), nifti.SUFFIXES, _number)
    names = sorted(images)
    return assemble(
        "btcv", base, names, [images[n] for n in names], recipe, memory, listed_in="img",
        masks=Masks.of([masks.get(n) for n in names], ORGANS, origin="label/"),
    )  # fmt: skip


ENTRY = DatasetEntry(
    name="btcv",
    title="BTCV, Beyond the Cranial Vault, abdomen",
    modality="CT volumes, NIfTI",
    task="segmentation",
    classes=ORGANS,
    build=_build,
    items=30,
    group="one volume a patient",
    licence="CC-BY 4.0",
    citation="Landman et al., MICCAI Multi-Atlas Labeling Beyond the Cranial Vault, 2015",
    home="https://www.synapse.org/Synapse:syn3193805",
    layout="""\
Training/img/img0001.nii.gz
Training/label/label0001.nii.gz
(both may lie in RawData/ or Abdomen/RawData/)""",
)
