"""MedMNIST v2 and MedMNIST+: 12 data sets of 2D images and 6 of volumes, as npz files.

Names, class names, tasks and numbers as in the ``info.py`` of https://github.com/MedMNIST/MedMNIST;
numbers that differ between its releases are left out. The option ``size`` picks the file:
``<name>.npz`` for 28, ``<name>_<size>.npz`` for the larger ones of MedMNIST+.
"""

from functools import partial
from pathlib import Path

from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.datasets.medmnist import load_npz
from featprobe.datasets.official import find
from featprobe.images.decoded_image import FrameRecipe

_ORGANS = (
    "bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver",
    "lung-left", "lung-right", "pancreas", "spleen",
)  # fmt: skip
_ORGANS_3D = (
    "liver", "kidney-right", "kidney-left", "femur-right", "femur-left", "bladder", "heart",
    "lung-right", "lung-left", "spleen", "pancreas",
)  # fmt: skip
# name -> (title, modality, classes, published numbers of train, val and test)
_SETS: dict[str, tuple[str, str, tuple[str, ...], tuple[int, ...]]] = {
    "pathmnist": ("PathMNIST", "colon histology, RGB", (
        "adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle",
        "normal colon mucosa", "cancer-associated stroma",
        "colorectal adenocarcinoma epithelium"), (89_996, 10_004, 7_180)),
    "chestmnist": ("ChestMNIST", "chest radiographs", (
        "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia",
        "pneumothorax", "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia"),
        (78_468, 11_219, 22_433)),
    "dermamnist": ("DermaMNIST", "dermoscopy, RGB", (
        "actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma",
        "benign keratosis-like lesions", "dermatofibroma", "melanoma", "melanocytic nevi",
        "vascular lesions"), (7_007, 1_003, 2_005)),
    "octmnist": ("OCTMNIST", "retinal OCT", (
        "choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
        (97_477, 10_832, 1_000)),
    "pneumoniamnist": ("PneumoniaMNIST", "pediatric chest radiographs",
        ("normal", "pneumonia"), (4_708, 524, 624)),
    "retinamnist": ("RetinaMNIST", "fundus photographs, RGB",
        ("0", "1", "2", "3", "4"), (1_080, 120, 400)),
    "breastmnist": ("BreastMNIST", "breast ultrasound",
        ("malignant", "normal, benign"), (546, 78, 156)),
    "bloodmnist": ("BloodMNIST", "blood cell microscopy, RGB", (
        "basophil", "eosinophil", "erythroblast",
        "immature granulocytes (myelocytes, metamyelocytes and promyelocytes)", "lymphocyte",
        "monocyte", "neutrophil", "platelet"), (11_959, 1_712, 3_421)),
    "tissuemnist": ("TissueMNIST", "kidney cortex microscopy", (
        "Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule",
        "Glomerular endothelial cells", "Interstitial endothelial cells", "Leukocytes",
        "Podocytes", "Proximal Tubule Segments", "Thick Ascending Limb"),
        (165_466, 23_640, 47_280)),
    "organamnist": ("OrganAMNIST", "abdominal CT, axial", _ORGANS, ()),
    "organcmnist": ("OrganCMNIST", "abdominal CT, coronal", _ORGANS, ()),
    "organsmnist": ("OrganSMNIST", "abdominal CT, sagittal", _ORGANS, ()),
    "organmnist3d": ("OrganMNIST3D", "abdominal CT volumes", _ORGANS_3D, ()),
    "nodulemnist3d": ("NoduleMNIST3D", "chest CT volumes", ("benign", "malignant"),
        (1_158, 165, 310)),
    "adrenalmnist3d": ("AdrenalMNIST3D", "shape masks of abdominal CT",
        ("normal", "hyperplasia"), (1_188, 98, 298)),
    "fracturemnist3d": ("FractureMNIST3D", "chest CT volumes", (
        "buckle rib fracture", "nondisplaced rib fracture", "displaced rib fracture"),
        (1_027, 103, 240)),
    "vesselmnist3d": ("VesselMNIST3D", "shapes of brain MRA", ("vessel", "aneurysm"), ()),
    "synapsemnist3d": ("SynapseMNIST3D", "electron microscopy volumes",
        ("inhibitory synapse", "excitatory synapse"), (1_230, 177, 352)),
}  # fmt: skip
_TASKS = {"chestmnist": "multilabel", "retinamnist": "ordinal"}


def _build(root: Path, recipe: FrameRecipe, memory: Path, size: str, name: str) -> Dataset:
    stem = name if size == "28" else f"{name}_{size}"
    data = load_npz(find(root, f"{stem}.npz"), stem, recipe, _SETS[name][2])
    data.task = _TASKS.get(name, data.task)
    return data


def _entry(name: str) -> DatasetEntry:
    title, modality, classes, counts = _SETS[name]
    volumes = name.endswith("3d")
    sizes = ("28", "64") if volumes else ("28", "64", "128", "224")
    return DatasetEntry(
        name=name,
        title=f"{title} (MedMNIST v2, MedMNIST+)",
        modality=f"{modality}, npz of {', '.join(sizes)} pixels",
        task=_TASKS.get(name, "multiclass"),
        classes=classes,
        build=partial(_build, name=name),
        items=sum(counts) or None,
        split_items=dict(zip(("train", "val", "test"), counts)),
        split="train, val and test of the npz file",
        options={"size": sizes},
        licence="CC-BY-NC 4.0" if name == "dermamnist" else "CC-BY 4.0",
        citation="Yang et al., MedMNIST v2, Scientific Data 10:41, 2023",
        home="https://medmnist.com/",
        layout=f"{name}.npz (28 pixels)\n"
        + "\n".join(f"{name}_{s}.npz (option size={s})" for s in sizes[1:]),
        folder="medmnist",
    )


ENTRY = {name: _entry(name) for name in _SETS}
