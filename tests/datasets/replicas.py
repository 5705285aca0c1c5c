"""Small replicas of the official layouts: a function each, which also says what it wrote."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from featprobe.datasets.entry import DatasetEntry

NAN = float("nan")


@dataclass
class Truth:
    """What a replica holds: for each item its target, patient, split, and pixels as written."""

    targets: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    split: dict[str, str] = field(default_factory=dict)
    masks: dict[str, int] = field(default_factory=dict)
    pixels: dict[str, np.ndarray] = field(default_factory=dict)
    crossing: int = 0

    def add(
        self, item: str, target: Any = None, group: str = "", split: str = "", masks: int = 0,
        pixels: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.targets[item], self.groups[item] = target, group or item
        self.split[item], self.masks[item] = split, masks
        if pixels is not None:
            self.pixels[item] = pixels


REPLICAS: dict[str, Callable[[Path, DatasetEntry], Truth]] = {}
Replica = Callable[[Path, DatasetEntry], Truth]


def replica(*names: str) -> Callable[[Replica], Replica]:
    def register(function: Replica) -> Replica:
        REPLICAS.update(dict.fromkeys(names, function))
        return function

    return register


def rng_of(path: Path) -> np.random.Generator:
    return np.random.default_rng(list(path.as_posix().encode()[-40:]))


def text(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_text(content)


def picture(path: Path, shape: tuple[int, ...] = (24, 20)) -> np.ndarray | None:
    """A picture of noise; its frames where the format keeps them exactly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = rng_of(path).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(array).save(path)
    return array[None] if path.suffix == ".png" else None


def volume(path: Path, labels: int = 0, channels: int = 1) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (12, 10, 6, channels) if channels > 1 else (12, 10, 6)
    values = rng_of(path).integers(0, labels or 900, shape).astype(np.int16)
    nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0])).to_filename(path)


@replica("nih_chestxray14")
def _nih(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    rows = ["Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender"]
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for p in range(8):
        for k in range(2):
            name = f"{p:08d}_{k:03d}.png"
            found = [entry.classes[p], entry.classes[13 - p]] if k else []
            rows.append(f"{name},{'|'.join(found) or 'No Finding'},{k},{p},0{p}Y,M")
            split = "test" if p >= 6 else "train"
            lists[split].append(name)
            pixels = picture(root / f"images_{p % 2 + 1:03d}" / "images" / name)
            truth.add(name, [float(c in found) for c in entry.classes], str(p), split, 0, pixels)
    text(root / "Data_Entry_2017_v2020.csv", rows)
    text(root / "train_val_list.txt", lists["train"])
    text(root / "test_list.txt", lists["test"])
    return truth


def findings(i: int, n: int) -> tuple[list[str], list[float]]:
    """CheXpert's cells and, under the default policies, the targets they stand for."""
    cells = [["1.0", "0.0", "-1.0", ""][(i + j) % 4] for j in range(n)]
    return cells, [{"1.0": 1.0, "0.0": 0.0, "-1.0": NAN, "": 0.0}[c] for c in cells]


@replica("chexpert")
def _chexpert(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    head = ",".join(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *entry.classes])
    for split, folder, patients in (("train", "train", range(1, 6)), ("val", "valid", range(6, 9))):
        rows = [head]
        for p in patients:
            for k, view in enumerate(("frontal", "lateral")):
                inner = f"{folder}/patient{p:05d}/study1/view{k + 1}_{view}.jpg"
                cells, target = findings(p + k, 14)
                path = f"CheXpert-v1.0-small/{inner}"
                rows.append(",".join([path, "Female", "50", view.capitalize(), "AP", *cells]))
                picture(root / path)
                truth.add(inner, target, str(p), split)
        text(root / "CheXpert-v1.0-small" / f"{folder}.csv", rows)
    return truth


@replica("mimic_cxr_jpg")
def _mimic(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    keys = "dicom_id,subject_id,study_id"
    splits, meta = ["dicom_id,study_id,subject_id,split"], [f"{keys},ViewPosition"]
    labels = [",".join(["subject_id", "study_id", *entry.classes])]
    for p in range(10):
        subject, study = 10_000_000 + p * 300_000, 50_000_000 + p
        cells, target = findings(p, 14)
        if p == 0:  # a study without a row in the label table
            target = [NAN] * 14
        else:
            labels.append(",".join([str(subject), str(study), *cells]))
        for k, view in enumerate(("PA", "LATERAL")):
            dicom, split = f"{p:04x}-{k}", ("train", "train", "validate", "test")[p % 4]
            splits.append(f"{dicom},{study},{subject},{split}")
            meta.append(f"{dicom},{subject},{study},{view}")
            inner = f"p{str(subject)[:2]}/p{subject}/s{study}/{dicom}"
            picture(root / "files" / f"{inner}.jpg")
            truth.add(inner, target, str(p), {"validate": "val"}.get(split, split))
    text(root / "mimic-cxr-2.0.0-split.csv.gz", splits)
    text(root / "mimic-cxr-2.0.0-metadata.csv", meta)
    text(root / "mimic-cxr-2.0.0-chexpert.csv.gz", labels)
    return truth


@replica("montgomery")
def _montgomery(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    for i in range(6):
        name = f"MCUCXR_{i:04d}_{i % 2}"
        pixels = picture(root / "MontgomerySet/CXR_png" / f"{name}.png")
        for side in ("leftMask", "rightMask"):
            picture(root / "MontgomerySet/ManualMask" / side / f"{name}.png")
        truth.add(name, i % 2, masks=2, pixels=pixels)
    return truth


@replica("shenzhen")
def _shenzhen(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    for i in range(6):
        name = f"CHNCXR_{i:04d}_{i % 2}"
        pixels = picture(root / "ChinaSet_AllFiles/CXR_png" / f"{name}.png")
        if i:
            picture(root / "mask" / f"{name}_mask.png")
        truth.add(name, i % 2, masks=int(i > 0), pixels=pixels)
    return truth


@replica("kermany_cxr")
def _kermany(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth(crossing=1)  # person3 is in train and in test
    files = [f"train/PNEUMONIA/person{p}_bacteria_{p * 2 + k}" for p in (1, 2, 3) for k in (0, 1)]
    files += ["train/PNEUMONIA/person4_virus_9", "test/PNEUMONIA/person3_virus_70"]
    files += [f"train/NORMAL/IM-{p:04d}-0001" for p in (115, 116)]
    files += ["train/NORMAL/IM-0117-0001-0002", "train/NORMAL/IM-0117-0001-0001"]
    files += ["val/NORMAL/NORMAL2-IM-1427-0001", "val/PNEUMONIA/person1946_bacteria_4874"]
    files += ["test/NORMAL/NORMAL2-IM-0117-0001"]
    for file in files:
        split, label, name = file.split("/")
        picture(root / "chest_xray" / f"{file}.jpeg")
        (root / "chest_xray" / split / label / ".DS_Store").write_text("")
        patient = name.split("_")[0] if "person" in name else "-".join(name.split("-")[:-1])
        patient = "IM-0117" if name.startswith("IM-0117") else patient
        truth.add(f"{file}.jpeg", int(label == "PNEUMONIA"), patient, split)
    return truth


@replica("sars_cov_2_ct")
def _sars(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    for label in ("Covid", "Healthy", "Others"):
        for p in (1, 2, 10):
            item = f"{label}/Patient ({p})"
            slices = [
                picture(root / "New_Data_CoV2" / item / f"{k}.png", (20, 20)) for k in (1, 2, 10)
            ]
            pixels = np.concatenate([s for s in slices if s is not None])
            truth.add(item, int(label == "Covid"), item, pixels=pixels)
    return truth


@replica("brain_tumor_figshare")
def _figshare(root: Path, entry: DatasetEntry) -> Truth:
    import h5py

    truth = Truth()
    for i in range(1, 10):
        folder = root / ("brainTumorDataPublic_1-766" if i < 5 else "brainTumorDataPublic_767-1532")
        folder.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(i).integers(0, 3000, (16, 12)).astype(np.int16)
        patient = f"MR{(i - 1) // 2:04d}"
        with h5py.File(folder / f"{i}.mat", "w") as f:
            f["cjdata/label"] = np.array([[(i - 1) // 2 % 3 + 1]], dtype=float)
            f["cjdata/PID"] = np.array([[ord(c)] for c in patient], dtype=np.uint16)
            f["cjdata/image"] = image.T  # MATLAB stores columns first
        truth.add(str(i), (i - 1) // 2 % 3, patient, pixels=image[None])
    with h5py.File(root / "cvind.mat", "w") as f:
        f["cvind"] = np.array([[(i - 1) // 2 % 5 + 1 for i in range(1, 10)]], dtype=float)
    return truth


@replica("glioma_grading")
def _glioma(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    for grade, name in enumerate(entry.classes):
        for p in range(3):
            item = f"{name}/BraTS19_X{grade}{p}_1"
            folder = root / "MICCAI_BraTS_2019_Data_Training" / item
            for kind in (*entry.options["modality"], "seg"):
                volume(folder / f"{folder.name}_{kind}.nii.gz", 2 if kind == "seg" else 0)
            truth.add(item, grade, masks=1)
    return truth


@replica("aptos2019")
def _aptos(root: Path, entry: DatasetEntry) -> Truth:
    truth, rows = Truth(), ["id_code,diagnosis"]
    for i in range(10):
        name = f"{i:012x}"
        rows.append(f"{name},{i % 5}")
        pixels = picture(root / "train_images" / f"{name}.png", (20, 24, 3))
        truth.add(name, i % 5, pixels=pixels)
    text(root / "train.csv", rows)
    picture(root / "test_images" / "ffffffffffff.png", (20, 24, 3))
    return truth


@replica("ichallenge_amd")
def _ichallenge(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    for i in range(1, 5):
        for target, folder in enumerate(("Non-AMD", "AMD")):
            item = f"{folder}/{folder[0]}{i:04d}.jpg"
            picture(root / "Training400" / item, (20, 24, 3))
            truth.add(item, target)
    return truth


@replica("messidor2")
def _messidor(root: Path, entry: DatasetEntry) -> Truth:
    truth, pairs = Truth(), ["left;right"]
    rows = ["image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable"]
    for i in range(6):
        eyes = [f"2005{i:04d}_0{k}00_PP" for k in (1, 2)]
        pairs.append(f"{eyes[0]}.png;{eyes[1]}.png")
        for k, eye in enumerate(eyes):
            target = -1 if (i, k) == (5, 1) else (i + k) % 5
            rows.append(f"{eye}.png,{target},0,1" if target >= 0 else f"{eye}.png,,,0")
            pixels = picture(root / "IMAGES" / f"{eye}.png", (20, 24, 3))
            truth.add(eye.lower(), target, str(i), pixels=pixels)
    text(root / "messidor-2.csv", pairs)
    text(root / "messidor_data.csv", rows)
    return truth


@replica("idrid")
def _idrid(root: Path, entry: DatasetEntry) -> Truth:
    truth, base = Truth(), root / "B. Disease Grading"
    parts = (("train", "a", "Training"), ("test", "b", "Testing"))
    for split, letter, word in parts:
        rows = ["Image name,Retinopathy grade,Risk of macular edema ,,,"]
        for i in range(1, 6):
            rows.append(f"IDRiD_{i:03d},{i % 5},{i % 3},,,")
            folder = f"1. Original Images/{letter}. {word} Set"
            picture(base / folder / f"IDRiD_{i:03d}.jpg", (20, 24, 3))
            truth.add(f"{split}/IDRiD_{i:03d}", i % 5, split=split)
        rows.append(",,,,,")
        name = f"{letter}. IDRiD_Disease Grading_{word} Labels.csv"
        text(base / "2. Groundtruths" / name, rows)
    return truth


@replica("cbis_ddsm")
def _cbis(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth(crossing=1)  # patient P_00003: masses in train, calcifications in test
    head = "patient_id,left or right breast,image view,abnormality id,pathology,image file path"
    files = {f"{k}_{s}": [head] for k in ("mass", "calc") for s in ("train", "test")}
    cases = [("mass", "train", p) for p in (1, 2, 3)] + [("mass", "test", 4)]
    cases += [("calc", "train", 5), ("calc", "test", 3), ("calc", "test", 6)]
    for n, (kind, split, p) in enumerate(cases):
        for view in ("CC", "MLO"):
            case = f"{kind.capitalize()}-{split.capitalize()}ing_P_{p:05d}_LEFT_{view}"
            case = case.replace("Testing", "Test")
            series = f"1.3.6.1.4.1.9590.100.1.2.{n}{len(view)}"
            path = f"{case}/1.2.3.{n}/{series}/000000.dcm"
            for k in (1, 2) if p == 1 else (1,):  # two abnormalities, the second malignant
                malignant = p % 2 == 0 or k == 2
                word = "MALIGNANT" if malignant else "BENIGN_WITHOUT_CALLBACK"
                files[f"{kind}_{split}"].append(f"P_{p:05d},LEFT,{view},{k},{word},{path}")
            picture(root / "jpeg" / series / "1-249.jpg")
            truth.add(case, int(p % 2 == 0 or p == 1), f"P_{p:05d}", split)
    for name, rows in files.items():
        kind, split = name.split("_")
        text(root / "csv" / f"{kind}_case_description_{split}_set.csv", rows)
    picture(root / "jpeg" / "1.3.6.1.9999" / "1-001.jpg")  # a crop, of which there are many
    return truth


@replica("isic2019")
def _isic(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    codes = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]
    rows = [",".join(["image", *codes])]
    meta = ["image,age_approx,anatom_site_general,lesion_id,sex"]
    for i in range(16):
        name, lesion = f"ISIC_{i:07d}", "" if i >= 14 else f"BCN_{i // 2:07d}"
        target = i // 2
        rows.append(",".join([name, *("1.0" if k == target else "0.0" for k in range(9))]))
        meta.append(f"{name},55.0,anterior torso,{lesion},female")
        picture(root / "ISIC_2019_Training_Input" / f"{name}.jpg", (20, 24, 3))
        truth.add(name, target, lesion or name)
    text(root / "ISIC_2019_Training_GroundTruth.csv", rows)
    text(root / "ISIC_2019_Training_Metadata.csv", meta)
    return truth


@replica("ham10000")
def _ham(root: Path, entry: DatasetEntry) -> Truth:
    truth, rows = Truth(), ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    codes = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    for i in range(14):
        name, lesion = f"ISIC_{i:07d}", f"HAM_{i // 2:07d}"
        rows.append(f"{lesion},{name},{codes[i // 2]},histo,80.0,male,scalp")
        folder = f"HAM10000_images_part_{i % 2 + 1}"
        picture(root / folder / f"{name}.jpg", (20, 24, 3))
        truth.add(name, i // 2, lesion)
    text(root / "HAM10000_metadata.csv", rows)
    return truth


@replica("patch_camelyon")
def _pcam(root: Path, entry: DatasetEntry) -> Truth:
    import h5py

    truth = Truth()
    for part, split, n in (("train", "train", 8), ("valid", "val", 4), ("test", "test", 4)):
        stem = root / f"camelyonpatch_level_2_split_{part}"
        x = rng_of(stem).integers(0, 256, (n, 96, 96, 3), dtype=np.uint8)
        with h5py.File(f"{stem}_x.h5", "w") as f:
            f.create_dataset("x", data=x, chunks=(1, 96, 96, 3), compression="gzip")
        with h5py.File(f"{stem}_y.h5", "w") as f:
            f["y"] = (np.arange(n) % 2).astype(np.uint8).reshape(n, 1, 1, 1)
        rows = [",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi"]
        for i in range(n):
            slide = f"camelyon16_{part}_tumor_{i // 2:03d}"
            rows.append(f"{i},1,1,{i % 2 == 1},{i % 2 == 1},{slide}")
            truth.add(f"{part}/{i:06d}", i % 2, slide, split, pixels=x[i][None])
        text(Path(f"{stem}_meta.csv"), rows)
    return truth


def _medmnist(root: Path, entry: DatasetEntry) -> Truth:
    truth, arrays = Truth(), {}
    shape = (28, 28, 28) if entry.name.endswith("3d") else (28, 28)
    shape += (3,) if "RGB" in entry.modality else ()
    n_classes = len(entry.classes)
    for split, n in (("train", 2 * n_classes), ("val", n_classes), ("test", n_classes)):
        x = rng_of(root / split).integers(0, 256, (n, *shape), dtype=np.uint8)
        y = np.arange(n).reshape(-1, 1) % n_classes
        if entry.task == "multilabel":
            y = (rng_of(root / split).uniform(size=(n, n_classes)) < 0.3).astype(int)
        arrays |= {f"{split}_images": x, f"{split}_labels": y.astype(np.uint8)}
        for i in range(n):
            target = y[i].tolist() if entry.task == "multilabel" else int(y[i, 0])
            frames = x[i] if len(shape) == 3 and shape[-1] != 3 else x[i][None]
            truth.add(f"{split}/{i:06d}", target, split=split, pixels=frames)
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(root / f"{entry.name}.npz", **arrays)
    return truth


def _decathlon(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    lists: dict[str, list[Any]] = {"training": [], "test": ["./imagesTs/x_900.nii.gz"]}
    parts = [("training", "Tr", "", range(3))]
    folder = root / entry.layout.split("/")[0]
    if entry.name == "amos":
        lists["validation"], folder = [], root / "amos22"
        parts = [
            ("training", "Tr", "train", range(2)),
            ("validation", "Va", "val", range(600, 602)),
        ]
    for part, tag, split, cases in parts:
        for i in cases:
            file = f"{'amos' if split else 'case'}_{i:04d}.nii.gz"
            volume(folder / f"images{tag}" / file, 0, len(entry.options.get("modality", "x")))
            volume(folder / f"labels{tag}" / file, len(entry.classes))
            (folder / f"images{tag}" / f"._{file}").write_bytes(b"\0")  # as the archives have
            row = {"image": f"./images{tag}/{file}", "label": f"./labels{tag}/{file}"}
            lists[part].append(row)
            truth.add(file.removesuffix(".nii.gz"), split=split, masks=1)
    volume(folder / "imagesTs" / "x_900.nii.gz")
    labels = {str(i): c for i, c in enumerate(entry.classes)}
    (folder / "dataset.json").write_text(json.dumps({"labels": labels, **lists}))
    return truth


replica("amos")(_decathlon)


@replica("btcv")
def _btcv(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    for i in (1, 2, 21):
        volume(root / "RawData/Training/img" / f"img{i:04d}.nii.gz")
        volume(root / "RawData/Training/label" / f"label{i:04d}.nii.gz", len(entry.classes))
        truth.add(f"{i:04d}", masks=1)
    volume(root / "RawData/Testing/img/img0061.nii.gz")
    return truth


@replica("lits17")
def _lits(root: Path, entry: DatasetEntry) -> Truth:
    truth = Truth()
    for i in (0, 1, 28, 100):
        folder = root / f"Training Batch {1 if i < 28 else 2}"
        volume(folder / f"volume-{i}.nii")
        volume(folder / f"segmentation-{i}.nii", len(entry.classes))
        truth.add(f"volume-{i}", masks=1)
    return truth


def build(root: Path, entry: DatasetEntry) -> Truth:
    """Write the replica of an entry; KeyError for an entry without one."""
    families = {"medmnist": _medmnist, "msd": _decathlon}
    function = families.get(entry.folder) or REPLICAS[entry.name]
    root.mkdir(parents=True, exist_ok=True)
    return function(root, entry)
