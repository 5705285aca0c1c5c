"""The whole of ``extract`` against a bare forward loop over tensors that are ready."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import featprobe as fp
from tests.benchmarks.rows import Row, side_by_side

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PRECISION = "bf16" if DEVICE == "cuda" else "float32"
MODEL = "dinov2_vitl14" if DEVICE == "cuda" else "dinov2_vits14"
BATCH = 128 if DEVICE == "cuda" else 16
FRAMES = 4096 if DEVICE == "cuda" else 160
MUST = 0.90 if DEVICE == "cuda" else 0.95


def films(folder: Path, n: int, side: int = 1024) -> None:
    """Square grey PNGs with the noise of a film."""
    rng = np.random.default_rng(0)
    for i in range(n):
        small = Image.fromarray(rng.integers(60, 200, (12, 12), dtype=np.uint8))
        smooth = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), np.float32)
        noisy = smooth + rng.normal(0, 2.5, smooth.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"film{i:04d}.png")


def sized(folder: Path, n: int) -> None:
    """The same in the size of the network's input."""
    films(folder, n, 224)


def series(folder: Path, n: int, slices: int = 40) -> None:
    """CT series of uncompressed DICOM files, 512 x 512."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    rng = np.random.default_rng(0)
    for i in range(max(1, n // slices)):
        place = folder / f"series{i:03d}"
        place.mkdir()
        uid = generate_uid(entropy_srcs=[f"series{i}"])
        for z in range(slices):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = CTImageStorage
            meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"{i}/{z}"])
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
            d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
            d.SeriesInstanceUID, d.StudyInstanceUID, d.Modality = uid, uid, "CT"
            d.PatientID = f"p{i}"
            d.Rows = d.Columns = 512
            d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
            d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
            d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
            d.PixelSpacing, d.InstanceNumber, d.SliceThickness = [1, 1], z + 1, 1
            d.RescaleIntercept, d.RescaleSlope = -1024, 1
            d.WindowCenter, d.WindowWidth = 40, 400
            d.PixelData = rng.normal(1000, 60, (512, 512)).astype(np.int16).tobytes()
            d.save_as(place / f"{z:03d}.dcm", enforce_file_format=True)


def volumes(folder: Path, n: int, slices: int = 40) -> None:
    """Compressed NIfTI volumes, 256 x 256 slices."""
    import nibabel

    rng = np.random.default_rng(0)
    for i in range(max(1, n // slices)):
        pixels = rng.normal(300, 40, (256, 256, slices)).astype(np.int16)
        nibabel.Nifti1Image(pixels, np.eye(4)).to_filename(folder / f"v{i:03d}.nii.gz")


# A GPU takes thousands of frames a second: they have its size, or decoding would be measured.
INPUTS: dict[str, Callable[[Path, int], None]] = (
    {"224x224 PNG": sized}
    if DEVICE == "cuda"
    else {"1024x1024 PNG": films, "DICOM series": series, "NIfTI volumes": volumes}
)


def rows(runs: int = 3) -> Iterator[Row]:
    """One row for each kind of input."""
    backbone = fp.load_backbone(MODEL, init="random").to(DEVICE)
    ready = torch.randn(BATCH, 3, 224, 224, device=DEVICE)

    def bare(frames: int) -> None:
        for _ in range(frames // BATCH):
            backbone.forward(ready, 4, PRECISION)
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    bare(BATCH)
    for name, make in INPUTS.items():
        with tempfile.TemporaryDirectory() as text:
            place = Path(text)
            (place / "data").mkdir()
            make(place / "data", FRAMES)
            data = fp.load_dataset(place / "data", cache=place / "cache")
            data.compute_fingerprint()
            rates: list[float] = []

            def whole(data: fp.Dataset = data, place: Path = place, rates: list = rates) -> None:
                shutil.rmtree(place / "cache" / "features", ignore_errors=True)
                out = fp.extract(
                    backbone, data, cache=place / "cache", batch_size=BATCH, device=DEVICE,
                    precision=PRECISION,
                )  # fmt: skip
                rates.append(out.summary.rate)

            _, theirs = side_by_side(whole, lambda: bare(FRAMES), runs)
            yield Row(
                f"extract, {name}, against a bare loop of {MODEL} on {DEVICE}",
                float(np.median(rates)), FRAMES // BATCH * BATCH / theirs, "frames/s", MUST,
            )  # fmt: skip
