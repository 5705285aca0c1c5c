"""images/files.py: what a path is, and what damage does to it."""

import contextlib
import gzip
import io
import os
import time
import tracemalloc
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file

from featprobe.core.errors import MissingPath, UnreadableItem
from featprobe.images import files
from featprobe.images.decoded_image import FrameRecipe
from featprobe.testing import faults

PLAIN = FrameRecipe()
ARRAY = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)
DICOMS = ["CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "image_dfl.dcm",
          "SC_rgb_jpeg_gdcm.dcm", "JPEG2000.dcm", "examples_palette.dcm"]  # fmt: skip

# Decoded by libraries that may abort the process: one of its own, so that the file is named.
NATIVE = ("SC_rgb_jpeg_gdcm.dcm", "JPEG2000.dcm")


def good_files():
    """Bytes of whole files by name."""
    out = {}
    for name, array, options in (
        ("rgb.png", ARRAY, {}), ("grey16.png", ARRAY[..., 0].astype(np.uint16) * 200, {}),
        ("x.jpg", ARRAY, {}), ("x.bmp", ARRAY, {}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, {"jpg": "jpeg"}.get(name[-3:], name[-3:]), **options)
        out[name] = buffer.getvalue()
    for name, codec in (("plain.tif", None), ("deflate.tif", "zlib")):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, ARRAY, compression=codec, photometric="rgb")
        out[name] = buffer.getvalue()
    volume = nibabel.Nifti1Image(ARRAY.astype(np.int16), np.diag([1, 1, 3, 1]))
    out["x.nii"] = volume.to_bytes()
    out["x.nii.gz"] = gzip.compress(out["x.nii"])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=ARRAY)
    out["x.npz"] = buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, ARRAY)
    out["x.npy"] = buffer.getvalue()
    for name in DICOMS:
        out[name] = Path(get_testdata_file(name)).read_bytes()
    return out


GOOD = good_files()


def frames_or_reason(job, path):
    """Number of frames, or None where one of the two errors names the file on one line."""
    try:
        out = job([path], PLAIN)
    except (UnreadableItem, MissingPath) as error:
        reason = str(error)
    else:
        return out if isinstance(out, int) else len(out.pixels)
    assert str(path) in reason
    assert "\n" not in reason
    return None


def survives(path, data):
    """Read fine or named, in bounded time and memory."""
    path.write_bytes(data)
    tracemalloc.start()
    start = time.process_time()  # other processes may have the cores
    outcome = frames_or_reason(files.count_frames, path), frames_or_reason(files.read, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - start < 20
    assert peak < 2 << 30
    return outcome


@pytest.mark.parametrize("name", list(GOOD))
def test_good_files_are_read_as_planned(tmp_path, name):
    counted, read = survives(tmp_path / name, GOOD[name])
    assert read is not None
    assert counted == read


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.parametrize("name", list(GOOD))
@given(data=st.data())
def test_cut_and_flipped_copies_are_read_or_named(tmp_path_factory, name, data):
    good = bytearray(GOOD[name])
    early = st.integers(0, min(len(good), 700) - 1)  # headers are where a flip does most
    anywhere = st.integers(0, len(good) - 1)
    for at in data.draw(st.lists(early | anywhere, max_size=6), label="flips"):
        good[at] ^= 1 << data.draw(st.integers(0, 7))
    length = data.draw(st.just(len(good)) | st.integers(0, len(good)), label="length")
    path = tmp_path_factory.mktemp("d") / name
    if name in NATIVE:
        # GDCM calls abort() on some; who reads files of others does it in a worker, which may die
        # (tests/extraction/test_decoding.py). Python's own code ends no process
        with contextlib.suppress(EOFError):
            faults.outcomes(partial(survives, path, bytes(good[:length])))
    else:
        survives(path, bytes(good[:length]))


@pytest.mark.parametrize("name", [*GOOD, "x.mha", "x.nrrd", "x.h5", "x.mat", "x.hdr"])
def test_an_empty_file_is_named(tmp_path, name):
    path = tmp_path / name
    path.touch()
    for job in (files.read, files.count_frames):
        with pytest.raises(UnreadableItem, match="the file is empty"):
            job([path], PLAIN)


def test_missing_files_loops_and_folders_are_named(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "c.png").mkdir()
    for job in (files.read, files.count_frames):
        for name in ("a.png", "gone.dcm"):
            with pytest.raises(MissingPath, match=f"{name}: no such file"):
                job([tmp_path / name], PLAIN)
        with pytest.raises(UnreadableItem, match=r"c\.png"):
            job([tmp_path / "c.png"], PLAIN)


@pytest.mark.parametrize("stem", ["two words", "new\nline", "röntgen 肺", "quote'\"", "%s{0}"])
@pytest.mark.parametrize("name", ["rgb.png", "plain.tif", "x.nii.gz", "CT_small.dcm", "x.npz"])
def test_odd_names_are_read_and_errors_stay_on_one_line(tmp_path, stem, name):
    suffix = "".join(Path(name).suffixes)
    path = tmp_path / f"{stem}{suffix}"
    path.write_bytes(GOOD[name])
    assert files.count_frames([path], PLAIN) == len(files.read([path], PLAIN).pixels)
    path.write_bytes(GOOD[name][: len(GOOD[name]) // 3])
    with pytest.raises(UnreadableItem) as caught:
        files.read([path], PLAIN)
    assert len(str(caught.value).splitlines()) == 1


def test_metaimage_with_an_odd_name(tmp_path):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK (extra sitk) is not installed")
    path = tmp_path / "röntgen 肺.mha"
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY[..., 0]), str(path))
    assert len(files.read([path], PLAIN).pixels) == 1


@pytest.mark.parametrize("name, kind", [
    ("a.PNG", "raster"), ("a.nii.gz", "nifti"), ("a.hdr", "nifti"), ("a.img", None),
    ("a.dcm.gz", "dicom"), ("a.nrrd", "itk"), ("a.npz", "array"), ("a.mat", "array"),
    ("a.csv", None), ("a.raw", None), ("a.tar.gz", None), ("README", None),
])  # fmt: skip
def test_kinds_by_name(tmp_path, name, kind):
    (tmp_path / name).write_bytes(b"no image" * 40)
    assert files.kind_of(tmp_path / name) == kind


def test_a_file_without_suffix_is_looked_into(tmp_path):
    for name in ("IM0001", "1.2.840.10008"):
        (tmp_path / name).write_bytes(GOOD["CT_small.dcm"])
        assert files.kind_of(tmp_path / name) == "dicom"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(GOOD["rgb.png"])
    path.chmod(0)
    with pytest.raises(UnreadableItem, match=r"x\.png: Permission denied"):
        files.read([path], PLAIN)


ENDINGS = ["", ".png", ".PNG", ".nii", ".gz", ".nii.gz", ".dcm", ".dcm.gz", ".7", ".a", "/", "x"]


@given(st.lists(st.lists(st.sampled_from(ENDINGS), max_size=5).map("".join), max_size=30))
def test_kinds_of_many_names_are_those_of_each(names) -> None:
    assert files.kinds_of_names(names) == [files.kind_of_name(name) for name in names]
