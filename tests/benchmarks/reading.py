"""A second ``extract`` on files that have not changed, and how listing grows with their number.

Pictures are hard links to one PNG, DICOM files are made from one with identifiers and positions of
their own, a thousand a folder or a series in each. The backbone is a stub and its store is filled
with made-up numbers: what is measured is everything but features.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.rows import Row
from tests.benchmarks.scale import STUB

SECONDS = 3  # of a second extract on 100,000 files: the goal
PARTS = ("png-1e4", "png-1e5", "series-1e4", "series-1e5", "films-1e4", "films-1e5")
SLICES = 100  # of a series

CODE = """
from featprobe.datasets.load import load_dataset
from featprobe.extraction.open_store import open_store
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.splits.assign import assign
from featprobe.testing.cases import fill, make_features

import featprobe.images.dicom  # imports are not what is measured
folder, cache, store = sys.argv[3:]

def peak():  # above imports
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin, spent = time.perf_counter(), time.process_time()
data = load_dataset(folder, cache=cache)
out = {"listed": time.perf_counter() - begin}
if store != "extract":  # which does so by itself
    data.fingerprint
    out["digested"] = time.perf_counter() - begin - out["listed"]
if store == "split":
    at = time.perf_counter()
    assign(data.targets, data.groups, ids=data.ids)
    out["split"] = time.perf_counter() - at
elif store == "fill":
    o = settle(Options(batch_size=256))
    made = open_store(backbone, data, {"cls": 1}, o, cache=cache, store="zarr", dtype="float16")
    fill(made, make_features(made.layout))
    made.finish({})
else:
    at = time.perf_counter()
    assert not fp.extract(backbone, data, cache=cache, batch_size=256).summary.new_frames
    out["opened"] = time.perf_counter() - at
out["all"], out["cpu"] = time.perf_counter() - begin, time.process_time() - spent
out["memory"], out["items"] = peak(), len(data)
print(json.dumps(out))
"""


def measured(folder: Path, cache: Path, what: str) -> dict[str, float]:
    """Seconds and MiB of a process of its own; ``what``: fill, extract or split."""
    out = subprocess.run(
        [sys.executable, "-c", STUB + CODE, "1", "1", str(folder), str(cache), what],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(out.stdout.splitlines()[-1])


def rows(runs: int = 3, parts: Sequence[str] = PARTS) -> Iterator[Row]:
    """A row for each kind and number of files; ``png-1e6`` only where it is named."""
    for part in parts:
        kind, _, number = part.partition("-")
        count = int(float(number))
        with tempfile.TemporaryDirectory() as text:
            folder, cache = Path(text, "files"), Path(text, "cache")
            folder.mkdir()
            KINDS[kind](folder, count)
            first = measured(folder, cache, "split" if count >= 10**6 else "fill")
            what = "split" if count >= 10**6 else "extract"
            again = [measured(folder, cache, what) for _ in range(runs)]
        took = statistics.median(a["all"] for a in again)
        steps = " ".join(
            f"{n} {statistics.median(a[n] for a in again):.2f}"
            for n in ("listed", "digested", "opened", "split", "cpu")
            if n in again[0]
        )
        first_took = first["listed"] + first["digested"]
        note = f"{steps}; at first {first_took:.1f} s; {again[0]['items']:.0f} items"
        must = 1 if count == 10**5 else None
        name = f"a second {what}, {count} files ({kind}) / {SECONDS} s"
        yield Row(name, took, SECONDS, "s", must, more=False, note=note, runs=runs)
        memory = statistics.median(a["memory"] for a in again)
        yield Row(f"its memory beyond imports, a file ({kind}, {count})", 1024 * memory / count, 1,
                  "kB", note=f"{memory:.0f} MiB", runs=runs)  # fmt: skip


def pngs(folder: Path, count: int) -> None:
    """Two classes of links to few pictures: a file has 65,000 names at most on some disks."""
    from PIL import Image

    for i in range(count):
        number, one = i // 20_000, folder.parent / f"one{i // 20_000}.png"
        where = folder / "ab"[i % 2] / f"{number:03d}"
        if i % 20_000 < 2:
            where.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), number, np.uint8)).save(one)
        os.link(one, where / f"p{i // 4:07d}_{i:07d}.png")


def series(folder: Path, count: int) -> None:
    """Series of :data:`SLICES` slices, each in a folder."""
    whole = template()
    for i in range(count):
        where = folder / f"s{i // SLICES:06d}"
        where.mkdir(exist_ok=True)
        _write(where / f"{i % SLICES:04d}.dcm", whole, i, i // SLICES, i % SLICES)


def films(folder: Path, count: int) -> None:
    """Single images of a study each in two classes."""
    whole = template()
    for i in range(count):
        where = folder / "ab"[i % 2]
        where.mkdir(exist_ok=True)
        _write(where / f"{i:07d}.dcm", whole, i, i, 0)


KINDS: dict[str, Callable[[Path, int], None]] = {"png": pngs, "series": series, "films": films}
_FILE, _SERIES, _PLACE = b"7000000007", b"8000000008", b"900.25"


def _write(path: Path, whole: bytes, file: int, series: int, place: int) -> None:
    """The template with numbers of the same length in their places."""
    for old, new in (
        (_FILE, f"7{file:09d}"), (_SERIES, f"8{series:09d}"), (_PLACE, f"{place:03d}.50"),
    ):  # fmt: skip
        whole = whole.replace(old, new.encode())
    path.write_bytes(whole)


def template() -> bytes:
    """A slice of CT of 8 x 8 pixels with the values that scanners write."""
    import io

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    uid = f"1.2.826.0.1.{_FILE.decode()}"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = (
        f"1.2.826.0.{n}.{_SERIES.decode()}" for n in (2, 3)
    )
    ds.FrameOfReferenceUID, ds.PatientID = f"1.2.826.0.4.{_SERIES.decode()}", _SERIES.decode()
    ds.Modality, ds.InstanceNumber, ds.ImageType = "CT", 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.KVP, ds.ConvolutionKernel, ds.AcquisitionNumber = "120", "B30f", 2
    ds.AcquisitionTime, ds.ContentTime = "101112.5", "101113.5"
    ds.Rows, ds.Columns, ds.SamplesPerPixel = 8, 8, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.RescaleSlope, ds.RescaleIntercept, ds.PixelSpacing = 1, 0, [0.7, 0.7]
    ds.SliceThickness, ds.ImageOrientationPatient = 1.0, [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [-100, -100, float(_PLACE)]
    ds.PixelData = np.arange(64, dtype="<i2").tobytes()
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    found = out.getvalue()
    assert all(n in found for n in (_FILE, _SERIES, _PLACE))
    return found
