"""The whole of ``extract`` against a bare forward loop over tensors that are ready."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import featprobe as fp
from tests.benchmarks.rows import Row, in_turn, seconds_of

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PRECISION = "bf16" if DEVICE == "cuda" else "float32"
MODEL = "dinov2_vitl14" if DEVICE == "cuda" else "dinov2_vits14"
BATCH = 128 if DEVICE == "cuda" else 16
FRAMES = 4096 if DEVICE == "cuda" else 160


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
        noise = rng.normal(1000, 60, (512, 512)).astype(np.int16)
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
            d.PixelData = np.roll(noise, 7 * z).tobytes()
            d.save_as(place / f"{z:03d}.dcm", enforce_file_format=True)


def volumes(folder: Path, n: int, slices: int = 40) -> None:
    """Compressed NIfTI volumes, 256 x 256 slices."""
    import nibabel

    rng = np.random.default_rng(0)
    for i in range(max(1, n // slices)):
        pixels = rng.normal(300, 40, (256, 256, slices)).astype(np.int16)
        nibabel.Nifti1Image(pixels, np.eye(4)).to_filename(folder / f"v{i:03d}.nii.gz")


def jpegs(folder: Path, n: int) -> None:
    """The films as JPEG."""
    films(folder, n)
    for path in list(folder.glob("*.png")):
        Image.open(path).save(path.with_suffix(".jpg"), quality=92)
        path.unlink()


def radiographs(folder: Path, n: int) -> None:
    """The films as DICOM files of 12 bits, uncompressed."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import (
        DigitalXRayImageStorageForPresentation,
        ExplicitVRLittleEndian,
        generate_uid,
    )

    films(folder, n)
    for path in list(folder.glob("*.png")):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.stem])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = (
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        )  # fmt: skip
        d.SeriesInstanceUID = d.StudyInstanceUID = generate_uid(entropy_srcs=["of", path.stem])
        d.PatientID, d.Modality = path.stem, "DX"
        pixels = np.asarray(Image.open(path)).astype(np.uint16) << 4
        d.Rows, d.Columns = pixels.shape
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
        d.WindowCenter, d.WindowWidth = 2048, 4096
        d.PixelData = pixels.tobytes()
        d.save_as(path.with_suffix(".dcm"), enforce_file_format=True)
        path.unlink()


# A GPU takes thousands of frames a second: they have its size, or decoding would be measured.
Inputs = dict[str, Callable[[Path, int], None]]


@dataclass(frozen=True)
class Part:
    """The side of the network's input, what is read, what share of the bare loop must be kept, and
    whether another process is busy on a core of its own meanwhile, beside both sides."""

    side: int
    inputs: Inputs
    must: float
    beside: bool = False


# at 112 decoding is a fifth of the work
FILMS: Inputs = {"1024x1024 PNG": films, "1024x1024 JPEG": jpegs, "1024x1024 DICOM": radiographs}
PARTS: dict[str, Part] = (
    {"224": Part(224, {"224x224 PNG": sized}, 0.90)}
    if DEVICE == "cuda"
    else {
        "224": Part(
            224, {"1024x1024 PNG": films, "DICOM series": series, "NIfTI volumes": volumes}, 0.95
        ),
        "112": Part(112, FILMS, 0.90),
        "busy": Part(112, FILMS, 0.90, beside=True),
    }
)


@contextmanager
def busy_process() -> Iterator[None]:
    """A process that computes without a pause; it ends with this one, too."""
    code = (
        "import sys, threading\n"
        "threading.Thread(target=lambda: (sys.stdin.read(), __import__('os')._exit(0))).start()\n"
        "print(flush=True)\n"
        "while True: sum(range(1000))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


Loop = Callable[[int], None]  # of so many frames


def bare_loop(model: str, side: int, batch: int, device: str, precision: str) -> Loop:
    """Forward passes of a backbone over tensors that are ready, and nothing else."""
    backbone = fp.load_backbone(model, init="random", image_size=side).to(device)
    ready = torch.randn(batch, 3, side, side, device=device)

    def bare(frames: int) -> None:
        for _ in range(frames // batch):
            backbone.forward(ready, 4, precision)
        if device == "cuda":
            torch.cuda.synchronize()

    bare(batch)
    return bare


def _serve(pipe: Connection, *loop: object) -> None:
    bare = bare_loop(*loop)  # type: ignore[arg-type]
    pipe.send(None)
    while True:
        bare(pipe.recv())
        pipe.send(None)


@contextmanager
def in_its_own_process(*loop: object) -> Iterator[Loop]:
    """The loop as a script of its own has it, whose memory goes back to the system as it is freed.

    In a process that has extracted before, the loop keeps it, too.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, *loop), daemon=True)
    process.start()

    def bare(frames: int) -> None:
        here.send(frames)
        here.recv()

    here.recv()
    try:
        yield bare
    finally:
        process.kill()
        process.join()


def rows(runs: int = 3, parts: Sequence[str] = ()) -> Iterator[Row]:
    """One row for each kind of input; ``parts``: 224, 112, or busy (112 beside another process)."""
    for part in parts or PARTS:
        yield from of_part(PARTS[part], runs)


def of_part(part: Part, runs: int) -> Iterator[Row]:
    """A row for each of its inputs."""
    side = part.side
    backbone = fp.load_backbone(MODEL, init="random", image_size=side).to(DEVICE)
    loop = (MODEL, side, BATCH, DEVICE, PRECISION)
    bare = bare_loop(*loop)
    for name, make in part.inputs.items():
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

            apart = in_its_own_process(*loop) if DEVICE == "cpu" else nullcontext(bare)
            with busy_process() if part.beside else nullcontext(), apart as alone:
                _, theirs, kept = in_turn(
                    runs,
                    whole,
                    *[partial(seconds_of, partial(one, FRAMES)) for one in (alone, bare)],
                )
            ours, frames = float(np.median(rates)), FRAMES // BATCH * BATCH
            notes = ["beside a busy process"] if part.beside else []
            if DEVICE == "cpu":
                ratio = ours * float(np.median(kept)) / frames
                notes.append(f"of a loop that keeps freed memory, too, {ratio:.2f}")
            yield Row(
                f"extract, {name}, against a bare loop of {MODEL} at {side} on {DEVICE}",
                ours, frames / float(np.median(theirs)), "frames/s", part.must, runs=runs,
                note=", ".join(notes),
            )  # fmt: skip
