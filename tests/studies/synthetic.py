"""Small data sets in the official layouts of the studies: bright and dark pictures, by class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from featprobe.datasets.load import CATALOG

RNG = np.random.default_rng(0)


def picture(path: Path, level: float, colour: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (16, 16, 3) if colour else (16, 16)
    values = np.clip(RNG.normal(60 + 120 * level, 30, shape), 0, 255)
    Image.fromarray(values.astype(np.uint8)).save(path)


def table(path: Path, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def nih(root: Path) -> None:
    names = CATALOG.get("nih_chestxray14").classes
    rows, lists = ["Image Index,Finding Labels,Follow-up #,Patient ID"], {0: [], 1: []}
    for p in range(1, 121):
        kind = p % 15
        label = "No Finding" if kind == 14 else names[kind]
        for k in range(2):
            name = f"{p:08d}_{k:03d}.png"
            more = f"|{names[(kind + 3) % 14]}" if k and kind != 14 else ""
            rows.append(f"{name},{label}{more},{k},{p}")
            lists[int(p > 75)].append(name)
            picture(root / "images" / name, kind / 15)
    table(root / "Data_Entry_2017.csv", rows)
    table(root / "train_val_list.txt", lists[0])
    table(root / "test_list.txt", lists[1])


def chexpert(root: Path) -> None:
    names = CATALOG.get("chexpert").classes
    head = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *names]
    for folder, file, patients in (("train", "train.csv", range(1, 121)),
                                   ("valid", "valid.csv", range(121, 141)),
                                   ("test", "test_labels.csv", range(141, 171))):  # fmt: skip
        rows = [",".join(["Path", *names] if folder == "test" else head)]
        for p in patients:
            cells = ["1.0" if (p + j) % 4 == 0 else ["", "0.0", "-1.0"][(p + j) % 3]
                     for j in range(14)]  # fmt: skip
            for k, view in enumerate(("frontal", "lateral"), 1):
                inner = f"{folder}/patient{p:05d}/study1/view{k}_{view}.jpg"
                told = [] if folder == "test" else ["Male", "50", view.capitalize(), "AP"]
                path = inner if folder == "test" else f"CheXpert-v1.0/{inner}"
                rows.append(",".join([path, *told, *cells]))
                picture(root / inner, (p % 4) / 4)
        table(root / file, rows)


def figshare(root: Path) -> None:
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    for i in range(1, 91):
        kind = (i // 2) % 3
        with h5py.File(root / f"{i}.mat", "w") as f:
            f["cjdata/label"] = np.array([[kind + 1.0]])
            f["cjdata/PID"] = np.array([[ord(c)] for c in f"MR{i // 2:04d}"], dtype=np.uint16)
            f["cjdata/image"] = RNG.integers(0, 900 * (kind + 1), (16, 16)).astype(np.int16)


def glioma(root: Path) -> None:
    import nibabel

    for level, grade in enumerate(("LGG", "HGG")):
        for p in range(15):
            folder = root / grade / f"BraTS19_{grade}_{p}_1"
            folder.mkdir(parents=True)
            for kind in ("t1ce", "t1", "t2", "flair", "seg"):
                values = RNG.integers(0, 5 if kind == "seg" else 400 * (level + 1), (12, 12, 2))
                image = nibabel.Nifti1Image(values.astype(np.int16), np.eye(4))
                image.to_filename(folder / f"{folder.name}_{kind}.nii.gz")


def sars(root: Path) -> None:
    for level, label in enumerate(("Covid", "Healthy", "Others")):
        for p in range(12):
            for k in range(2):
                picture(root / label / f"Patient ({p + 1})" / f"{k}.png", level / 3)


def aptos(root: Path) -> None:
    rows = ["id_code,diagnosis"]
    for i in range(320):
        rows.append(f"{i:012x},{i % 5}")
        picture(root / "train_images" / f"{i:012x}.png", i % 5 / 5, colour=True)
    table(root / "train.csv", rows)


def isic(root: Path) -> None:
    codes = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]
    truth, meta = [",".join(["image", *codes])], ["image,age_approx,anatom_site_general,lesion_id"]
    for i in range(320):
        name = f"ISIC_{i:07d}"
        truth.append(",".join([name, *("1.0" if j == i % 8 else "0.0" for j in range(9))]))
        meta.append(f"{name},55.0,torso,L{i // 2}")
        picture(root / "ISIC_2019_Training_Input" / f"{name}.jpg", i % 8 / 8, colour=True)
    table(root / "ISIC_2019_Training_GroundTruth.csv", truth)
    table(root / "ISIC_2019_Training_Metadata.csv", meta)


def cbis(root: Path) -> None:
    head = "patient_id,left or right breast,image view,abnormality id,pathology,image file path"
    for kind in ("mass", "calc"):
        for split, patients in (("train", range(140)), ("test", range(140, 170))):
            rows = [head]
            for p in patients:
                case = f"{kind.title()}-{'Training' if split == 'train' else 'Test'}_P_{p:05d}_L_CC"
                series = f"1.2.{int(kind == 'mass')}.{p}"
                word = ("BENIGN", "MALIGNANT")[p % 2]
                who = f"P_{p:05d}{kind[0]}"
                rows.append(f"{who},LEFT,CC,1,{word},{case}/1.9.{p}/{series}/000000.dcm")
                picture(root / "jpeg" / series / "1-1.jpg", p % 2)
            table(root / "csv" / f"{kind}_case_description_{split}_set.csv", rows)


def kermany(root: Path) -> None:
    for split, n in (("train", 40), ("test", 12)):
        for p in range(n):
            first = 0 if split == "train" else 100
            picture(root / split / "NORMAL" / f"IM-{first + p:04d}-0001.jpeg", 0)
            picture(root / split / "PNEUMONIA" / f"person{first + p}_virus_{p}.jpeg", 1)


def ichallenge(root: Path) -> None:
    for i in range(40):
        picture(root / "AMD" / f"A{i:04d}.jpg", 0, colour=True)
        picture(root / "Non-AMD" / f"N{i:04d}.jpg", 1, colour=True)


def ham(root: Path) -> None:
    rows = ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    for i in range(140):
        code = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")[i // 2 % 7]
        rows.append(f"HAM_{i // 2:07d},ISIC_{i:07d},{code},histo,50,male,back")
        picture(root / "HAM10000_images_part_1" / f"ISIC_{i:07d}.jpg", i // 2 % 7 / 7, colour=True)
    table(root / "HAM10000_metadata.csv", rows)


def medmnist(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for size, file in ((28, "pneumoniamnist"), (64, "pneumoniamnist_64")):
        arrays = {}
        for part, n in (("train", 60), ("val", 20), ("test", 24)):
            y = np.arange(n)[:, None] % 2
            values = RNG.normal(90 + 60 * y[:, :, None], 30, (n, size, size))
            arrays |= {f"{part}_images": np.clip(values, 0, 255).astype(np.uint8),
                       f"{part}_labels": y.astype(np.uint8)}  # fmt: skip
        np.savez(root / f"{file}.npz", **arrays)


def montgomery(root: Path) -> None:
    for i in range(138):
        name = f"MCUCXR_{i:04d}_{i % 2}.png"
        film = np.full((16, 16), 40)
        for side, columns in (("left", slice(9, 14)), ("right", slice(2, 7))):
            mask = np.zeros((16, 16), np.uint8)
            mask[3 + i % 2 : 12, columns] = 255
            film[mask > 0] = 120 if side == "left" else 190
            path = root / "ManualMask" / f"{side}Mask" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
        film = np.clip(film + RNG.normal(0, 5, film.shape), 0, 255).astype(np.uint8)
        (root / "CXR_png").mkdir(parents=True, exist_ok=True)
        Image.fromarray(film).save(root / "CXR_png" / name)


MADE: dict[str, Callable[[Path], None]] = {
    "nih_chestxray14": nih, "chexpert": chexpert, "brain_tumor_figshare": figshare,
    "glioma_grading": glioma, "sars_cov_2_ct": sars, "aptos2019": aptos, "isic2019": isic,
    "cbis_ddsm": cbis, "kermany_cxr": kermany, "ichallenge_amd": ichallenge, "ham10000": ham,
    "medmnist": medmnist, "montgomery": montgomery,
}  # fmt: skip


def make(root: Path, *names: str) -> None:
    """Write data sets below a folder, each where $FEATPROBE_DATA would have it."""
    for name in names:
        MADE[name](root / name)
