"""Medical Segmentation Decathlon: ten segmentation tasks, CT and MR volumes.

Layout as unpacked from the task archives of http://medicaldecathlon.com: ``dataset.json`` lists the
training images with their masks. The masks of the test images are not published: those images are
left out and counted.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from featprobe.datasets.base import Dataset
from featprobe.datasets.decathlon import load_decathlon
from featprobe.datasets.entry import DatasetEntry
from featprobe.images.decoded_image import FrameRecipe

# name -> (folder, modality, mask labels, labelled volumes)
_TASKS: dict[str, tuple[str, str, tuple[str, ...], int | None]] = {
    "msd_brain_tumour": ("Task01_BrainTumour", "MR, 4 modalities",
        ("background", "edema", "non-enhancing tumor", "enhancing tumour"), 484),
    "msd_heart": ("Task02_Heart", "MR", ("background", "left atrium"), 20),
    "msd_liver": ("Task03_Liver", "CT", ("background", "liver", "cancer"), 131),
    "msd_hippocampus": ("Task04_Hippocampus", "MR",
        ("background", "Anterior", "Posterior"), 260),
    "msd_prostate": ("Task05_Prostate", "MR, T2 and ADC", ("background", "PZ", "TZ"), 32),
    "msd_lung": ("Task06_Lung", "CT", ("background", "cancer"), 63),
    "msd_pancreas": ("Task07_Pancreas", "CT", ("background", "pancreas", "cancer"), 281),
    "msd_hepatic_vessel": ("Task08_HepaticVessel", "CT", ("background", "Vessel", "Tumour"), 303),
    "msd_spleen": ("Task09_Spleen", "CT", ("background", "spleen"), 41),
    "msd_colon": ("Task10_Colon", "CT", ("background", "colon cancer primaries"), 126),
}  # fmt: skip

# Tasks of several modalities in one file: the option chooses the one that is shown.
_CHANNELS = {
    "msd_brain_tumour": ("FLAIR", "T1w", "t1gd", "T2w"),
    "msd_prostate": ("T2", "ADC"),
}


def _build(root: Path, recipe: FrameRecipe, memory: Path, name: str, modality: str = "") -> Dataset:
    if modality and recipe.channel is None:
        recipe = replace(recipe, channel=_CHANNELS[name].index(modality))
    folder = root / _TASKS[name][0]
    return load_decathlon(
        folder if folder.is_dir() else root, name, recipe, memory, {"training": ""}
    )


def _entry(name: str) -> DatasetEntry:
    folder, modality, classes, items = _TASKS[name]
    return DatasetEntry(
        name=name,
        title=f"Medical Segmentation Decathlon, {folder}",
        modality=f"{modality} volumes, NIfTI",
        task="segmentation",
        classes=classes,
        build=partial(_build, name=name),
        items=items,
        options={"modality": _CHANNELS[name]} if name in _CHANNELS else {},
        group="one volume a patient",
        licence="CC-BY-SA 4.0",
        citation="Antonelli et al., The Medical Segmentation Decathlon, Nature Comms 13:4128, 2022",
        home="http://medicaldecathlon.com/",
        layout=f"{folder}/dataset.json\n{folder}/imagesTr/*.nii.gz\n{folder}/labelsTr/*.nii.gz",
        folder="msd",
    )


ENTRY = {name: _entry(name) for name in _TASKS}
