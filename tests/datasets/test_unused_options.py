"""unused_options.py: options of loading that change nothing are said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset as Header
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from featprobe.datasets.load import load_dataset


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for label in "ab":
        (tmp_path / "films" / label).mkdir(parents=True)
        for i in range(2):
            pixels = np.full((8, 8), 40 * i, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "films" / label / f"{i}.png")
    return tmp_path / "films"


def slice_of(path: Path, modality: str) -> None:
    header = Header()
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = CTImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, generate_uid()
    header.SeriesInstanceUID, header.PatientID, header.Modality = generate_uid(), "1", modality
    header.Rows = header.Columns = 4
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, 0
    header.PixelData = np.arange(16, dtype=np.uint16).tobytes()
    header.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": "image"}, "key image has no effect: no item is an npz, HDF5 or MATLAB file"),
        ({"channel": 1}, "channel 1 has no effect: no item is a file with four axes"),
        ({"plane": "coronal"}, "plane coronal has no effect: no item is a volume"),
        ({"frames": "n=4"}, "frames n=4 has no effect: every item is one picture"),
        ({"channels": "neighbours"}, "channels neighbours has no effect"),
        ({"fusion": "late"}, "fusion late has no effect without modalities"),
        ({"intensity": "lung"}, "lung is a window of CT in Hounsfield units, and these are pict"),
        ({"root": "/"}, "root / has no effect: it is for the paths of a table"),
    ],
)
def test_pictures(films: Path, tmp_path: Path, options: dict, said: str) -> None:
    data = load_dataset(films, cache=tmp_path / "cache", **options)
    assert [text for text in data.notes if said in text]


def test_what_has_an_effect_is_not_spoken_of(films: Path, tmp_path: Path) -> None:
    data = load_dataset(films, cache=tmp_path / "cache", intensity="minmax", fit="pad")
    assert not data.notes


@pytest.mark.parametrize(("modality", "told"), [("MR", True), ("CT", False), ("", False)])
def test_a_ct_window_on_another_modality(tmp_path: Path, modality: str, told: bool) -> None:
    (tmp_path / "d").mkdir()
    slice_of(tmp_path / "d" / "1.dcm", modality)
    data = load_dataset(tmp_path / "d", cache=tmp_path / "cache", intensity="lung")
    assert any("and these are MR" in text for text in data.notes) == told
