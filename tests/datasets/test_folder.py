"""Folders of images: which layout is read as what."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from featprobe.core.errors import InputError
from featprobe.datasets.load import load_dataset
from featprobe.splits.assign import assign


def png(path: Path, value: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 6), value, np.uint8)).save(path)


def nifti(path: Path, labels: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(0, labels, (5, 6, 4)).astype(np.int16)
    nibabel.Nifti1Image(values, np.eye(4)).to_filename(path)


def dicom_series(folder: Path, uid: str, n: int = 3, patient: str = "P1") -> None:
    """Slices of one CT series; file names run against the order in space."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"1.2.3.{uid}.{i}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = Dataset()
        ds.file_meta = meta
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        ds.SeriesInstanceUID, ds.StudyInstanceUID = f"1.2.3.{uid}", "1.2.3"
        ds.PatientID, ds.Modality, ds.InstanceNumber = patient, "CT", i + 1
        ds.Rows, ds.Columns, ds.SamplesPerPixel = 4, 4, 1
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.ImageOrientationPatient, ds.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
        ds.ImagePositionPatient = [0, 0, 2.0 * i]
        ds.PixelData = np.full((4, 4), 10 * i, np.int16).tobytes()
        ds.save_as(folder / f"{uid}-{n - i}.dcm", enforce_file_format=True)


def test_class_folders(tmp_path):
    for c, k in (("dog", 2), ("cat", 1), ("dog", 1)):
        png(tmp_path / c / f"{k}.png")
    data = load_dataset(tmp_path)
    assert data.ids.tolist() == ["cat/1.png", "dog/1.png", "dog/2.png"]
    assert (data.classes, data.targets.tolist()) == (("cat", "dog"), [0, 1, 1])
    assert (data.task, set(data.split.tolist())) == ("multiclass", {""})


def test_split_folders(tmp_path):
    for split in ("train", "Valid", "testing"):
        for c in "ab":
            png(tmp_path / split / c / "1.png")
    data = load_dataset(tmp_path)
    assert dict(zip(data.ids.tolist(), data.split.tolist())) == {
        "train/a/1.png": "train", "train/b/1.png": "train", "Valid/a/1.png": "val",
        "Valid/b/1.png": "val", "testing/a/1.png": "test", "testing/b/1.png": "test",
    }  # fmt: skip
    assert data.classes == ("a", "b")
    assert "folders" in data.split_origin


def test_a_class_called_test_among_others_is_a_class(tmp_path):
    png(tmp_path / "test" / "1.png")
    png(tmp_path / "control" / "1.png")
    assert load_dataset(tmp_path).classes == ("control", "test")


@pytest.mark.parametrize(
    "images, masks", [("images", "labels"), ("images", "masks"), ("imagesTr", "labelsTr")]
)
def test_images_beside_masks(tmp_path, images, masks):
    for i in range(3):
        nifti(tmp_path / images / f"case_{i}.nii.gz")
    nifti(tmp_path / images / "mr.1_0000.nii.gz")
    for i in range(2):
        nifti(tmp_path / masks / f"case_{i}.nii", 3)
    (tmp_path / "imagesTs").mkdir()
    data = load_dataset(tmp_path)
    assert data.targets is None
    names = [*(f"case_{i}.nii.gz" for i in range(3)), "mr.1_0000.nii.gz"]
    assert data.ids.tolist() == [f"{images}/{n}" for n in names]
    assert [data.masks.has(i) for i in range(4)] == [True, True, False, False]
    assert data.masks.paths(1) == [tmp_path / masks / "case_1.nii"]


def test_masks_of_nnunet_names(tmp_path):
    nifti(tmp_path / "imagesTr" / "a_0000.nii.gz")
    nifti(tmp_path / "labelsTr" / "a.nii.gz", 2)
    data = load_dataset(tmp_path)
    assert data.masks.paths(0) == [tmp_path / "labelsTr" / "a.nii.gz"]


def test_every_real_hippocampus_has_its_mask(real_data):
    data = load_dataset(real_data / "hippocampus")
    assert len(data) == 130
    for i, paths in enumerate(data.source.paths):
        assert [paths[0].name] == [m.name for m in data.masks.paths(i)]


def test_flat_files_have_no_labels(tmp_path):
    for i in range(3):
        png(tmp_path / f"{i}.png", i)
    (tmp_path / "readme.txt").write_text("x")
    data = load_dataset(tmp_path)
    assert (len(data), data.targets, data.skipped) == (3, None, {"not an image (.txt)": 1})
    assert data.read(2).tolist() == [[[2] * 6] * 8]


@pytest.mark.parametrize("extra", [[], ["notes.txt", "table.csv"]])
def test_folder_without_images(tmp_path, extra):
    for name in extra:
        (tmp_path / name).write_text("x")
    said = "no image files in this folder" + (
        r" \(2 other files: 1 .txt, 1 .csv\)" if extra else "$"
    )
    with pytest.raises(InputError, match=said):
        load_dataset(tmp_path)


def test_file_outside_the_class_folders_of_a_split(tmp_path):
    png(tmp_path / "train" / "a" / "1.png")
    png(tmp_path / "train" / "2.png")
    with pytest.raises(InputError, match=r"'train/2\.png' lies outside the class folders"):
        load_dataset(tmp_path)


def test_series_mixed_in_one_folder_are_told_apart(tmp_path):
    dicom_series(tmp_path / "s", "7", 3)
    dicom_series(tmp_path / "s", "8", 5)
    data = load_dataset(tmp_path / "s")
    assert sorted(data.frames(i) for i in range(len(data))) == [3, 5]
    assert data.read(int(np.argmax([data.frames(i) for i in (0, 1)])))[:, 0, 0].tolist() == [
        0, 10, 20, 30, 40,
    ]  # fmt: skip
    assert data.groups.tolist() == ["patient-0001"] * 2
    assert data.group_origin == "PatientID of the DICOM headers"


def test_a_series_alone_in_its_folder_is_named_by_it(tmp_path):
    dicom_series(tmp_path / "ct" / "one", "7")
    dicom_series(tmp_path / "mr" / "two", "8", patient="P2")
    data = load_dataset(tmp_path)
    assert data.ids.tolist() == ["ct/one", "mr/two"]
    assert data.groups.tolist() == ["patient-0001", "patient-0002"]
    assert data.classes == ("ct", "mr")


def test_hidden_files_and_archive_leftovers_are_left_out(tmp_path):
    png(tmp_path / "a" / "1.png")
    png(tmp_path / "b" / "1.png")
    for name in (".DS_Store", "._1.png"):
        (tmp_path / "a" / name).write_bytes(b"\0")
    png(tmp_path / ".thumbnails" / "1.png")
    png(tmp_path / "a" / "__MACOSX" / "1.png")
    data = load_dataset(tmp_path)
    assert data.ids.tolist() == ["a/1.png", "b/1.png"]
    assert data.skipped == {}


def test_symlink_loop_ends(tmp_path):
    png(tmp_path / "a" / "1.png")
    png(tmp_path / "b" / "1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "b" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert load_dataset(tmp_path).ids.tolist() == ["a/1.png", "b/1.png"]


@pytest.mark.parametrize("name", ["with space.png", "né-日本.png", "line\nbreak.png", "a'b\"c.png"])
def test_odd_file_names_are_read(tmp_path, name):
    png(tmp_path / name, 7)
    data = load_dataset(tmp_path)
    assert data.ids.tolist() == [name]
    assert data.read(0).max() == 7


def test_groups_by_folder_and_by_name(tmp_path):
    for p in range(10):
        for k in range(2):
            png(tmp_path / "c" / f"p{p}" / f"{p:04d}_{k}.png")
            png(tmp_path / "d" / f"p{p}" / f"{p:04d}_{k + 2}.png")
    assert len(set(load_dataset(tmp_path).groups.tolist())) == 10
    assert len(set(load_dataset(tmp_path, group="folder").groups.tolist())) == 20
    assert len(set(load_dataset(tmp_path, group="none").groups.tolist())) == 40


def test_pixels_decide_the_fingerprint(tmp_path):
    png(tmp_path / "1.png", 1)
    first = load_dataset(tmp_path).fingerprint
    assert load_dataset(tmp_path).fingerprint == first
    png(tmp_path / "1.png", 2)
    assert load_dataset(tmp_path).fingerprint != first


def test_one_file_without_a_patient_id_does_not_ungroup_the_others(tmp_path):
    from featprobe.datasets.catalog.phantom_cxr import _write

    film = np.arange(256, dtype=np.uint16).reshape(16, 16)
    for i, patient in enumerate(["A", "A", "B", "B", "", ""]):
        _write(tmp_path / f"{i}.dcm", film + i, patient, f"9.{i}", False)
    data = load_dataset(tmp_path)
    assert data.groups[0] == data.groups[1] != data.groups[2] == data.groups[3]
    assert len(set(data.groups.tolist())) == 4
    assert "2 items have none" in data.group_origin


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    nifti(tmp_path / "a" / "x.nii.gz")
    (tmp_path / "b").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match="b: the folder cannot be listed"):
        load_dataset(tmp_path)


def test_a_table_beside_unlabelled_images_is_said(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        png(tmp_path / name)
    assert not load_dataset(tmp_path).notes
    (tmp_path / "labels of all.csv").write_text("file,label\na.png,x\nb.png,y\n")
    (note,) = load_dataset(tmp_path).notes
    assert f"--data '{tmp_path}/labels of all.csv'" in note
    (tmp_path / "more.tsv").touch()
    (note,) = load_dataset(tmp_path).notes
    assert "labels of all.csv and 1 more tables were not read" in note
    labelled = load_dataset(tmp_path / "labels of all.csv")
    assert labelled.classes == ("x", "y")


def test_a_table_beside_class_folders_is_no_note(tmp_path: Path) -> None:
    for name in ("x/a.png", "y/b.png"):
        png(tmp_path / name)
    (tmp_path / "list.csv").write_text("file,size\n")
    assert not [n for n in load_dataset(tmp_path).notes if "list.csv" in n]


def test_a_file_more_takes_few_bytes(tmp_path: Path) -> None:
    """Names of 26 letters, a patient of four files each, listed, and split by patient."""

    def peak(files: int) -> int:
        root = tmp_path / str(files)
        for i in range(files):
            where = root / "ab"[i % 2] / f"{i // 500:03d}"
            where.mkdir(parents=True, exist_ok=True)
            (where / f"p{i // 4:07d}_{i:07d}.png").touch()
        tracemalloc.start()
        data = load_dataset(root, cache=tmp_path)
        assign(data.targets, data.groups, ids=data.ids)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (len(data), data.facts()[1]["groups"]) == (files, files / 4)
        return found

    peak(80)  # what is imported on the way
    few, many = peak(2_000), peak(5_000)
    # 110 to 155 with what else is taken by blocks; as arrays of texts it was 500, as objects 1,000
    assert (many - few) / 3_000 < 200
